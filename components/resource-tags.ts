import * as pulumi from "@pulumi/pulumi";

/** AWS's types that the program uses and that take no tags. */
const withoutTags = new Set([
  "aws:ecr/lifecyclePolicy:LifecyclePolicy",
  "aws:ecr/repositoryPolicy:RepositoryPolicy",
  "aws:iam/rolePolicy:RolePolicy",
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
]);

/**
 * Gives every resource of AWS these tags, beside its own. To be called before the first resource is made.
 *
 * Not the provider's `defaultTags`: they do not reach `volumeTags`, and a provider that the program makes would not have the
 * `aws:defaultTags` of a user. A transformation, and not a transform, since the engine would call back for each resource of every command.
 */
export function tagEveryResource(tags: Readonly<Record<string, string>>): void {
  pulumi.runtime.registerStackTransformation(({ type, props, opts }) => {
    if (!/^awsx?:/.test(type) || withoutTags.has(type)) return undefined;
    const all = (own: object | undefined) => ({ ...tags, ...own });
    const volumeTags = props.volumeTags && { volumeTags: all(props.volumeTags) };
    return { props: { ...props, tags: all(props.tags), ...volumeTags }, opts };
  });
}
