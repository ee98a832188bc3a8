/**
 * Whether the program's functions for a dynamic resource differ from those in its state. A refresh runs the functions in the state, so a
 * change of them has to reach the state although nothing else changes.
 */
export function isCodeChanged(olds: object, news: object): boolean {
  return Reflect.get(olds, "__provider") !== Reflect.get(news, "__provider");
}
