/**
 * List prices in US dollars, us-east-1, on demand, without free tiers. Each carries the service code and usage type by
 * which the AWS Price List names it, so that anybody can look it up again.
 */

export interface Price {
  /** US dollars for one unit. */
  readonly dollars: number;
  readonly unit: string;
  readonly serviceCode: string;
  readonly usageType: string;
}

/** The day on which these prices were last checked. */
export const PRICES_AS_OF = '2026-10-01';

export const PRICES = {
  lambdaGbSecond: {
    dollars: 0.0000133334,
    unit: 'GB-second (arm64)',
    serviceCode: 'AWSLambda',
    usageType: 'Lambda-GB-Second-ARM',
  },
  lambdaRequest: { dollars: 0.2e-6, unit: 'request', serviceCode: 'AWSLambda', usageType: 'Request-ARM' },
  stateTransition: {
    dollars: 0.000025,
    unit: 'state transition',
    serviceCode: 'AmazonStates',
    usageType: 'USE1-StateTransition',
  },
  s3Put: {
    dollars: 0.005 / 1000,
    unit: 'PUT, COPY, POST or LIST request (Standard)',
    serviceCode: 'AmazonS3',
    usageType: 'Requests-Tier1',
  },
  s3Get: {
    dollars: 0.0004 / 1000,
    unit: 'GET, HEAD and all other requests (Standard)',
    serviceCode: 'AmazonS3',
    usageType: 'Requests-Tier2',
  },
  s3StandardGibMonth: {
    dollars: 0.023,
    unit: 'GiB and month (Standard, first 50 TB)',
    serviceCode: 'AmazonS3',
    usageType: 'TimedStorage-ByteHrs',
  },
} as const satisfies Record<string, Price>;
