/** Tags of objects. */

import { bucketOf, type Operation } from './exchange.ts';
import { childrenOf, childText, document, element } from './xml.ts';

export const getObjectTagging: Operation = (exchange) => {
  const object = bucketOf(exchange).find(exchange.key, exchange.query.get('versionId') ?? undefined);
  const tags = Object.entries(object.tags ?? {}).map(([key, value]) =>
    element('Tag', [element('Key', key), element('Value', value)]),
  );
  return { body: document('Tagging', [element('TagSet', tags)]) };
};

export const putObjectTagging: Operation = async (exchange) => {
  const body = await exchange.xml();
  const bucket = bucketOf(exchange);
  const object = bucket.find(exchange.key, exchange.query.get('versionId') ?? undefined);
  const sets = childrenOf(body, 'TagSet').flatMap((set) => childrenOf(set, 'Tag'));
  const tags = Object.fromEntries(sets.map((tag) => [childText(tag, 'Key') ?? '', childText(tag, 'Value') ?? '']));
  await bucket.update(object, { ...object, tags });
  return {};
};

export const deleteObjectTagging: Operation = async (exchange) => {
  const bucket = bucketOf(exchange);
  const object = bucket.find(exchange.key, exchange.query.get('versionId') ?? undefined);
  await bucket.update(object, { ...object, tags: undefined });
  return { status: 204 };
};
