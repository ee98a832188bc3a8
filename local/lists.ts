/** The filter for instances that still occupy a subnet, a group, an address. Those that are gone stay listed. */
export const alive = { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] };

/** The items of a list, from all of its pages. */
export async function every<Page, Item>(
  pages: AsyncIterable<Page> | Iterable<Page>,
  items: (page: Page) => readonly Item[] | undefined,
): Promise<Item[]> {
  return (await Array.fromAsync(pages, items)).flatMap((found) => found ?? []);
}
