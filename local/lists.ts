import type { EC2, Instance } from "@aws-sdk/client-ec2";

/** The filter for instances that still occupy a subnet, a group, an address. Those that are gone stay listed. */
export const alive = { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] };

/** Every instance that still occupies a subnet, a group, an address; those of groups, too. */
export async function liveInstances(ec2: EC2): Promise<Instance[]> {
  const reservations = await every(ec2.paginateDescribeInstances({ Filters: [alive] }), (page) => page.Reservations);
  return reservations.flatMap(({ Instances = [] }) => Instances);
}

/** The items of a list, from all of its pages. */
export async function every<Page, Item>(
  pages: AsyncIterable<Page> | Iterable<Page>,
  items: (page: Page) => readonly Item[] | undefined,
): Promise<Item[]> {
  return (await Array.fromAsync(pages, items)).flatMap((found) => found ?? []);
}
