import { describe, test } from "vitest";
import { killAtUpdate, shareOf, updates, victimOf, victims } from "../support/kill.ts";

const steps = await updates();

describe.each(victims)(
  "%s killed in an up that replaces the instances: the old ones serve, the next up converges",
  (who) => {
    test.each(shareOf(steps, who))("%s", (step) => killAtUpdate(victimOf(who, step), step));
  },
);
