/** The outputs that a stack of these settings has; Pulumi warns about others. */
export const declared = (outputs) =>
  Object.fromEntries(Object.entries(outputs).filter(([, value]) => value !== undefined));
