/** The part of the settings that says where the functions are that talk to hosts. */

import * as z from 'zod/mini';
import { text } from './settings-text.ts';

/** Services that these functions ask and that a private subnet reaches by an endpoint for which AWS charges. */
const PAID_ENDPOINTS = ['secretsmanager', 'states'] as const;

/**
 * Without it the functions run outside any VPC and reach hosts by public addresses. With it they are in subnets of an
 * existing VPC that have a route to the hosts; what of the rest is not named here has to be there already.
 */
export const network = z
  .strictObject({
    vpcId: text(/^vpc-([0-9a-f]{8}|[0-9a-f]{17})$/, 'give the id of the VPC from which the hosts can be reached'),
    availabilityZones: z.array(z.string()).check(z.minLength(1, 'name the zone of each subnet, in the same order')),
    subnetIds: z
      .array(text(/^subnet-([0-9a-f]{8}|[0-9a-f]{17})$/, 'give ids of private subnets'))
      .check(z.minLength(1, 'give at least one private subnet')),
    /** Makes a security group that reaches 443 and 10809 of these addresses, and S3, and nothing else. */
    hostCidrs: z.optional(
      z
        .array(text(/^(\d{1,3}\.){3}\d{1,3}\/(1[6-9]|2\d|3[0-2])$/, 'give addresses of hosts as CIDR, /16 or smaller'))
        .check(z.minLength(1, 'give the addresses of the hosts, for example 192.0.2.0/28')),
    ),
    /** S3 as that security group names it. Every region has its own list, and nothing is looked up here. */
    s3PrefixListId: z.optional(
      text(
        /^pl-[0-9a-f]{8,17}$/,
        'give the id that `aws ec2 describe-prefix-lists --filters Name=prefix-list-name,Values=com.amazonaws.REGION.s3` prints',
      ),
    ),
    /** Groups that exist, instead. */
    securityGroupIds: z.optional(
      z
        .array(
          text(/^sg-([0-9a-f]{8}|[0-9a-f]{17})$/, 'give ids of security groups that allow 443 and 10809 to the hosts'),
        )
        .check(z.minLength(1, 'give at least one security group')),
    ),
    /** Makes the free S3 gateway endpoint on these route tables, for the vault alone. */
    s3RouteTableIds: z._default(
      z.array(text(/^rtb-([0-9a-f]{8}|[0-9a-f]{17})$/, 'give ids of the route tables of the subnets')),
      [],
    ),
    /** Makes these endpoints; each costs 0.01 USD an hour and zone, and the deployment prints the sum for a month. */
    paidEndpoints: z._default(z.array(z.enum(PAID_ENDPOINTS, 'choose of secretsmanager and states')), []),
  })
  .check(
    z.refine(({ availabilityZones, subnetIds }) => availabilityZones.length === subnetIds.length, {
      path: ['availabilityZones'],
      error: 'name the zone of each subnet, in the same order',
    }),
    z.refine(
      ({ securityGroupIds, hostCidrs, s3PrefixListId }) =>
        securityGroupIds === undefined
          ? hostCidrs !== undefined && s3PrefixListId !== undefined
          : hostCidrs === undefined && s3PrefixListId === undefined,
      'give either hostCidrs and s3PrefixListId, from which a security group is made, or securityGroupIds',
    ),
  );

export type NetworkSettings = z.output<typeof network>;
