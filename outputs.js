/** The outputs without those that a stack of these settings does not have: Pulumi warns about an undefined one. */
export const declared = (outputs) =>
  Object.fromEntries(Object.entries(outputs).filter(([, value]) => value !== undefined));
