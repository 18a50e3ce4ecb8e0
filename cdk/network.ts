/** Where the functions that talk to hosts are: in subnets of an existing VPC, or outside any. */

import { Annotations } from 'aws-cdk-lib';
import { type ISecurityGroup, type IVpc, SecurityGroup, type SubnetSelection, Vpc } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { NetworkSettings } from './settings.ts';

/** The part of a function's properties that places it; empty outside a VPC. */
export interface Placement {
  readonly vpc?: IVpc;
  readonly vpcSubnets?: SubnetSelection;
  readonly securityGroups?: ISecurityGroup[];
}

/** Nothing is looked up: synthesis works without an account. Routes, endpoints and group rules are the VPC owner's. */
export function placementIn(scope: Construct, network: NetworkSettings | undefined): Placement {
  if (network === undefined) return {};
  const vpc = Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: network.vpcId,
    availabilityZones: network.availabilityZones,
    privateSubnetIds: network.subnetIds,
  });
  for (const subnet of vpc.privateSubnets) {
    Annotations.of(subnet).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId', 'No route is added here.');
  }
  return {
    vpc,
    vpcSubnets: { subnets: vpc.privateSubnets },
    securityGroups: network.securityGroupIds.map((id) =>
      SecurityGroup.fromSecurityGroupId(scope, id, id, { mutable: false }),
    ),
  };
}
