/** The endpoints by which private subnets reach AWS: S3's is free, the others cost money by the hour. */

import { Aws } from 'aws-cdk-lib';
import { CfnVPCEndpoint, type ISecurityGroup, type IVpc, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { NetworkSettings } from './network-settings.ts';

/** List price in us-east-1; each GB that passes costs another 0.01 USD, and logins are a few KB. */
const DOLLARS_PER_ZONE_HOUR = 0.01;
/** As AWS's own price pages count. */
const HOURS_PER_MONTH = 730;

export function s3Gateway(scope: Construct, { vpcId, s3RouteTableIds }: NetworkSettings, bucketArn: string): void {
  new CfnVPCEndpoint(scope, 'S3Gateway', {
    vpcId,
    vpcEndpointType: 'Gateway',
    serviceName: `com.amazonaws.${Aws.REGION}.s3`,
    routeTableIds: s3RouteTableIds,
    // The vault and nothing else: credentials of another account are of no use from these subnets.
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: [bucketArn, `${bucketArn}/*`] }],
    },
  });
}

interface PaidEndpoint {
  readonly service: NetworkSettings['paidEndpoints'][number];
  readonly network: NetworkSettings;
  readonly vpc: IVpc;
  readonly from: readonly ISecurityGroup[];
}

export function paidEndpoint(scope: Construct, { service, network, vpc, from }: PaidEndpoint): void {
  const group = new SecurityGroup(scope, `Into-${service}`, {
    vpc,
    allowAllOutbound: false,
    description: `Blockferry: from its functions to ${service}`,
  });
  for (const source of from) {
    group.addIngressRule(source, Port.tcp(443), 'HTTPS');
    // Has no effect on groups that exist: they are the VPC owner's, who has to allow it.
    source.addEgressRule(group, Port.tcp(443), service);
  }
  new CfnVPCEndpoint(scope, `Endpoint-${service}`, {
    vpcId: network.vpcId,
    vpcEndpointType: 'Interface',
    serviceName: `com.amazonaws.${Aws.REGION}.${service}`,
    subnetIds: network.subnetIds,
    securityGroupIds: [group.securityGroupId],
    privateDnsEnabled: true,
  });
}

/** For the person who deploys: what the endpoints of these settings cost. */
export function monthlyDollars({ paidEndpoints, subnetIds }: NetworkSettings): string {
  const dollars = paidEndpoints.length * subnetIds.length * HOURS_PER_MONTH * DOLLARS_PER_ZONE_HOUR;
  return `${paidEndpoints.join(', ')} in ${subnetIds.length} zones: ${dollars.toFixed(2)} USD a month (us-east-1)`;
}
