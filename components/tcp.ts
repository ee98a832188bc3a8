/** Protocol and ports of a security group's rule for one TCP port. */
export const tcp = (port: number) => ({ ipProtocol: "tcp", fromPort: port, toPort: port });
