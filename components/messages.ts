/** Prints a line for the person who deploys. If the engine was killed, exits: Pulumi's own handler would retry the write for ever. */
export function show(line: string): void {
  process.stdout.write(`${line}\n`, (error) => {
    if (error) process.exit(1);
  });
}

/** For `catch`: throws the error again, with where its remedies are. */
export const withRemedy = (where: string) => (error: Error) => {
  throw new Error(`${error.message}\nWhat to do: ${where}`, { cause: error });
};
