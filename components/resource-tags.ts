import * as pulumi from "@pulumi/pulumi";

/**
 * AWS's types that the program uses and that take no tags; and a VPC's default group, which AWS makes: to tag it, who deploys would have to
 * be allowed to tag everybody's.
 */
const withoutTags = new Set([
  "aws:autoscaling/policy:Policy",
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
  "aws:ec2/route:Route",
  "aws:ec2/routeTableAssociation:RouteTableAssociation",
  "aws:ecr/lifecyclePolicy:LifecyclePolicy",
  "aws:ecr/repositoryPolicy:RepositoryPolicy",
  "aws:iam/rolePolicy:RolePolicy",
]);

/**
 * Gives every resource of AWS these tags, beside its own, and also to what a launch template or a group makes. To be called before the
 * first resource is made.
 *
 * Not the provider's `defaultTags`: they do not reach `volumeTags`, and the VPC's default group would get them. A transformation, and not a transform, since the engine would call back for each resource of every command.
 */
export function tagEveryResource(tags: Readonly<Record<string, string>>): void {
  const all = (own: object | undefined) => ({ ...tags, ...own });
  pulumi.runtime.registerStackTransformation(({ type, props, opts }) => {
    if (!type.startsWith("aws:") || withoutTags.has(type)) return undefined;
    if (type === "aws:autoscaling/group:Group") {
      const made = Object.entries(tags).map(([key, value]) => ({ key, value, propagateAtLaunch: true }));
      return { props: { ...props, tags: [...made, ...(props.tags ?? [])] }, opts };
    }
    const volumeTags = props.volumeTags && { volumeTags: all(props.volumeTags) };
    const tagSpecifications = props.tagSpecifications && {
      tagSpecifications: props.tagSpecifications.map((made: { tags: object }) => ({ ...made, tags: all(made.tags) })),
    };
    return { props: { ...props, tags: all(props.tags), ...volumeTags, ...tagSpecifications }, opts };
  });
}
