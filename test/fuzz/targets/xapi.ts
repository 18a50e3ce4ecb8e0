/** What a host's API sends: XML, results of tasks, errors and texts that become part of messages. */

import { restoreMarkOf } from '#lib/restore/restore-marks.ts';
import { Secret } from '#lib/secret.ts';
import { callApi, parseReply } from '#lib/xapi/api-call.ts';
import { refusalFrom } from '#lib/xapi/api-error.ts';
import { redact } from '#lib/xapi/redaction.ts';
import type { XapiTransport } from '#lib/xapi/transport.ts';
import { parseValueTree, writeValueTree } from '#lib/xapi/value-tree.ts';
import { textMap, texts } from '#lib/xapi/wire-types.ts';
import { decodeReply, decodeTaskResult } from '#lib/xapi/xmlrpc-codec.ts';
import { array, bool, compactDate, double, i4, nil, refusal, struct, success, untyped } from '../../xapi/fake-xml.ts';
import type { FuzzTarget } from '../target.ts';

const SECRETS = [new Secret('OpaqueRef:5e55'), new Secret('password')];
const XML = [
  ...[
    '<value>',
    '</value>',
    '<array><data>',
    '</data></array>',
    '<struct>',
    '</struct>',
    '<member>',
    '<name>',
    '<fault>',
    '</fault>',
  ],
  ...[
    '<int>',
    '<i4>',
    '<i8>',
    '<boolean>',
    '<double>',
    '<nil/>',
    '<base64>',
    '<dateTime.iso8601>',
    '<params/>',
    '<methodResponse>',
  ],
  ...[
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    '&b;',
    '&amp;',
    '&#0;',
    '&#x110000;',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '<?xml',
    '?>',
    '</',
  ],
];

const replies = () =>
  [
    success(untyped('OpaqueRef:1')),
    success(struct({ a: array([i4(1), double(0.5), bool(true), nil]), b: compactDate('20260105T12:00:00Z') })),
    refusal('SESSION_INVALID', 'OpaqueRef:5e55'),
    '<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1</int></value></member></struct></value></fault></methodResponse>',
  ].map((xml) => Buffer.from(xml));

export const xmlRpcReply: FuzzTarget = {
  name: 'xmlrpc-reply',
  from: 'host',
  seeds: replies,
  dictionary: XML,
  async parse(input) {
    const half = input.length >> 1;
    return typeof (await decodeReply([input.subarray(0, half), input.subarray(half)], SECRETS));
  },
};

/** Reply and envelope up to a list of texts, as a call sees them. */
export const apiCall: FuzzTarget = {
  name: 'xapi-call',
  from: 'host',
  seeds: () => [...replies(), Buffer.from(success(array([untyped('a'), untyped('b')])))],
  dictionary: [...XML, 'Status', 'Success', 'Failure', 'ErrorDescription', 'Value', 'HOST_IS_SLAVE', 'VDI_IN_USE'],
  async parse(input) {
    const transport = { hostName: 'fuzz', call: () => decodeReply([input], SECRETS) } as unknown as XapiTransport;
    const context = { transport, session: SECRETS[0] ?? null, secrets: SECRETS, signal: undefined };
    return `${(await callApi({ method: 'fuzz.call', params: [], reply: texts }, context)).length} texts`;
  },
};

export const taskResult: FuzzTarget = {
  name: 'xapi-task-result',
  from: 'host',
  seeds: () =>
    ['<value>OpaqueRef:1</value>', '<value><array><data/></array></value>', '', 'plain', '<value>a&amp;b</value>'].map(
      (text) => Buffer.from(text),
    ),
  dictionary: XML,
  parse: async (input) => typeof (await decodeTaskResult(input.toString('utf8'), SECRETS)),
};

/** A list of texts as JSON: the code of an error and its parameters. */
export const errorDescription: FuzzTarget = {
  name: 'xapi-error',
  from: 'host',
  isJson: true,
  seeds: () =>
    [
      ['VDI_IN_USE', 'OpaqueRef:1', 'destroy'],
      ['HANDLE_INVALID', 'session', 'OpaqueRef:5e55'],
      ['SR_BACKEND_FAILURE_46', '', 'a [opterr=b]', ''],
      [],
    ].map((words) => Buffer.from(JSON.stringify(words))),
  refusals: ['SyntaxError'],
  parse(input) {
    const words = parseReply(texts, JSON.parse(input.toString()), 'fuzz');
    throw refusalFrom(words, { call: 'fuzz', host: 'fuzz', secrets: SECRETS });
  },
};

/** A text of the host that becomes part of a message. No secret may come through. */
export const redaction: FuzzTarget = {
  name: 'xapi-redaction',
  from: 'host',
  seeds: () =>
    ['/vdi?session_id=OpaqueRef:5e55&x', 'the password is password', 'OpaqueRef:1 OpaqueRef%3A2'].map((text) =>
      Buffer.from(text),
    ),
  dictionary: ['OpaqueRef:', 'OpaqueRef%3A', 'session_id=', 'password', 'OpaqueRef:5e55'],
  parse(input) {
    const clean = redact(input.toString(), SECRETS);
    for (const secret of SECRETS) {
      if (clean.includes(secret.reveal()) && !/^OpaqueRef:[\w-]+$/.test(clean))
        throw new Error(`a secret came through: ${clean}`);
    }
    return 'clean';
  },
};

/** The XML inside of an export of metadata, which is written again as it was read. */
export const valueTree: FuzzTarget = {
  name: 'value-tree',
  from: 'host',
  seeds: () =>
    [
      '<value><struct><member><name>version</name><value>1</value></member></struct></value>',
      '<?xml version="1.0"?><value><array><data><value><boolean>1</boolean></value><value/></data></array></value>',
    ].map((xml) => Buffer.from(xml)),
  dictionary: XML,
  parse(input) {
    const written = writeValueTree(parseValueTree(input.toString()));
    if (writeValueTree(parseValueTree(written)) !== written) throw new Error('what was written is read otherwise');
    return 'a tree';
  },
};

/** What a disk's or VM's other_config says of the restore that made it, as JSON. */
export const restoreMarks: FuzzTarget = {
  name: 'restore-marks',
  from: 'host',
  isJson: true,
  seeds: () =>
    [
      { 'blockferry:restore': 'cli-1', 'blockferry:restored-from': 'a 1 b', 'blockferry:restored-grains': '128' },
      { 'blockferry:restore': '1', 'blockferry:incomplete': 'yes', 'blockferry:execution': 'lab arn:aws:states' },
    ].map((config) => Buffer.from(JSON.stringify(config))),
  refusals: ['SyntaxError'],
  parse(input) {
    const config = parseReply(textMap, JSON.parse(input.toString()), 'fuzz');
    const mark = restoreMarkOf(config);
    if (mark === undefined) return 'no mark';
    if (!Number.isSafeInteger(mark.nextGrain) || mark.nextGrain < 0) throw new Error(`${mark.nextGrain} is no grain`);
    return mark.by === undefined ? 'a mark' : 'a mark of an execution';
  },
};
