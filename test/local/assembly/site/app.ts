/** A small CDK application with what the real one uses: two stacks, a bundle, a child machine, a distributed Map. */

import { join } from 'node:path';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Architecture, Runtime } from 'aws-cdk-lib/aws-lambda';
import { NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { StepFunctionsStartExecution as StartOnSchedule } from 'aws-cdk-lib/aws-scheduler-targets';
import {
  Choice,
  Condition,
  DefinitionBody,
  DistributedMap,
  Fail,
  type IChainable,
  IntegrationPattern,
  OutputType,
  Parallel,
  QueryLanguage,
  ResultWriterV2,
  S3JsonLItemReader,
  StateMachine,
  Succeed,
  TaskInput,
  Transformation,
} from 'aws-cdk-lib/aws-stepfunctions';
import { LambdaInvoke, StepFunctionsStartExecution } from 'aws-cdk-lib/aws-stepfunctions-tasks';

const [, , outdir = 'cdk.out', references = 'strong'] = process.argv;
const app = new App({
  outdir,
  analyticsReporting: false,
  context: {
    '@aws-cdk/aws-stepfunctions:useDistributedMapResultWriterV2': true,
    ...(references === 'weak' ? { '@aws-cdk/core:defaultCrossStackReferences': 'weak' } : {}),
  },
});
const vault = new Stack(app, 'Vault');
const bucket = new Bucket(vault, 'Bucket');
const site = new Stack(app, 'Site');

const sum = new NodejsFunction(site, 'Sum', {
  entry: join(import.meta.dirname, 'sum-shard.ts'),
  runtime: Runtime.NODEJS_24_X,
  architecture: Architecture.ARM_64,
  timeout: Duration.seconds(20),
  memorySize: 256,
  environment: { BUCKET: bucket.bucketName },
  bundling: { format: OutputFormat.ESM, target: 'node24', bundleAwsSDK: true },
});
const machine = (id: string, body: IChainable): StateMachine =>
  new StateMachine(site, id, {
    queryLanguage: QueryLanguage.JSONATA,
    definitionBody: DefinitionBody.fromChainable(body),
  });

const read = LambdaInvoke.jsonata(site, 'Read', {
  lambdaFunction: sum,
  payload: TaskInput.fromText('{% $states.input %}'),
  outputs: '{% $states.result.Payload %}',
  retryOnServiceExceptions: false,
});
const shards = DistributedMap.jsonata(site, 'Shards', {
  itemReader: new S3JsonLItemReader({ bucket, key: '{% $states.input.key %}' }),
  jsonataMaxConcurrency: '{% $states.input.readers %}',
  resultWriterV2: new ResultWriterV2({
    bucket,
    prefix: 'results',
    writerConfig: { outputType: OutputType.JSONL, transformation: Transformation.COMPACT },
  }),
});
const child = machine('Child', shards.itemProcessor(read));
const start = StepFunctionsStartExecution.jsonata(site, 'Start', {
  stateMachine: child,
  integrationPattern: IntegrationPattern.RUN_JOB,
  input: TaskInput.fromObject({ key: '{% $states.input.key %}', readers: 2 }),
  outputs: '{% $states.result.Output.ResultWriterDetails %}',
  assign: { verdict: 'committed' },
});
const attempt = Parallel.jsonata(site, 'Attempt', { outputs: '{% $states.result[0] %}' }).branch(start);
attempt.addCatch(Fail.jsonata(site, 'Failed', { error: '{% $states.input.Error %}', cause: 'the shards failed' }));
const verdict = Choice.jsonata(site, 'Verdict')
  .when(Condition.jsonata('{% $exists($states.input.Key) %}'), Succeed.jsonata(site, 'Done'))
  .otherwise(Fail.jsonata(site, 'NoResult', { error: 'NoResult' }));
const main = machine('Main', attempt.next(verdict));

new Schedule(site, 'Nightly', {
  schedule: ScheduleExpression.cron({ hour: '1', minute: '0' }),
  target: new StartOnSchedule(main, { input: ScheduleTargetInput.fromObject({ bucket: bucket.bucketName }) }),
});
app.synth();
