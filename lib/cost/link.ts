/** What stands between AWS and the hosts, and what it costs by the hour and by the byte. */

import { type Bytes, GIB } from '#lib/units.ts';
import { type Charge, charge, type PriceList, together } from './prices.ts';

/** AWS bills a month as 730 hours. */
const MONTH_HOURS = 730;

/** `none`: the way to the hosts is there already and belongs to something else. */
export type Link = 'none' | 'vpn' | 'transit-gateway' | 'nat' | 'direct-connect';

/** What a link that exists for the backup alone costs in a month that moves `bytes` through it. */
export function linkMonth(prices: PriceList, link: Link, bytes: Bytes): Charge {
  const gib = bytes / GIB;
  switch (link) {
    case 'none':
    case 'direct-connect':
      return { dollars: 0, arithmetic: 'the link is paid for by others' };
    case 'vpn':
      return charge(prices, 'vpnHour', MONTH_HOURS);
    case 'transit-gateway':
      // One attachment for the VPN and one for the VPC.
      return together(
        charge(prices, 'vpnHour', MONTH_HOURS),
        charge(prices, 'transitGatewayHour', 2 * MONTH_HOURS),
        charge(prices, 'transitGatewayGib', gib),
      );
    case 'nat':
      return together(charge(prices, 'natHour', MONTH_HOURS), charge(prices, 'natGib', gib));
  }
}

/** Interface endpoints are paid for in each zone, used or not. */
export function endpointsMonth(prices: PriceList, { endpoints, zones }: { endpoints: number; zones: number }): Charge {
  return charge(prices, 'endpointHour', endpoints * zones * MONTH_HOURS);
}

/** What `bytes` cost on their way out of AWS to the data centre; a VPN is charged as the internet is. */
export function transferOut(prices: PriceList, link: Link, bytes: Bytes): Charge {
  return link === 'direct-connect'
    ? charge(prices, 'directConnectOutGib', bytes / GIB)
    : charge(prices, 'internetOutGib', bytes / GIB);
}
