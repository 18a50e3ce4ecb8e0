/** Where the functions that talk to hosts are: in subnets of an existing VPC, or outside any. */

import { Annotations, CfnOutput } from 'aws-cdk-lib';
import {
  type ISecurityGroup,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  type SubnetSelection,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import { monthlyDollars, paidEndpoint, s3Gateway } from './endpoints.ts';
import type { NetworkSettings } from './network-settings.ts';

/** The part of a function's properties that places it; empty outside a VPC. */
export interface Placement {
  readonly vpc?: IVpc;
  readonly vpcSubnets?: SubnetSelection;
  readonly securityGroups?: ISecurityGroup[];
}

/** Ports of a host: its API and its NBD server. */
const HOST_PORTS = [443, 10809];

/** Nothing is looked up: synthesis works without an account. Routes to the hosts are the VPC owner's. */
export function placementIn(
  scope: Construct,
  { network, bucketArn }: { readonly network: NetworkSettings | undefined; readonly bucketArn: string },
): Placement {
  if (network === undefined) return {};
  const vpc = Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: network.vpcId,
    availabilityZones: network.availabilityZones,
    privateSubnetIds: network.subnetIds,
  });
  for (const subnet of vpc.privateSubnets) {
    Annotations.of(subnet).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId', 'No route is added here.');
  }
  const securityGroups = groupsOf(scope, vpc, network);
  if (network.s3RouteTableIds.length > 0) s3Gateway(scope, network, bucketArn);
  for (const service of network.paidEndpoints) paidEndpoint(scope, { service, network, vpc, from: securityGroups });
  if (network.paidEndpoints.length > 0) {
    new CfnOutput(scope, 'PaidEndpoints', { value: monthlyDollars(network) });
  }
  return { vpc, vpcSubnets: { subnets: vpc.privateSubnets }, securityGroups };
}

/** Security groups without any other way out: what a function is tricked into sending has nowhere to go. */
function groupsOf(scope: Construct, vpc: IVpc, network: NetworkSettings): ISecurityGroup[] {
  const { securityGroupIds, hostCidrs = [], s3PrefixListId = '' } = network;
  if (securityGroupIds !== undefined) {
    return securityGroupIds.map((id) => SecurityGroup.fromSecurityGroupId(scope, id, id, { mutable: false }));
  }
  const group = new SecurityGroup(scope, 'ReachesHosts', {
    vpc,
    allowAllOutbound: false,
    description: 'Blockferry: from its functions to the hosts and to S3, and nowhere else',
  });
  for (const cidr of hostCidrs) {
    for (const port of HOST_PORTS) group.addEgressRule(Peer.ipv4(cidr), Port.tcp(port), 'XenServer API or NBD');
  }
  group.addEgressRule(Peer.prefixList(s3PrefixListId), Port.tcp(443), 'S3');
  return [group];
}
