import { test } from 'node:test';
import { playList } from './point-list.ts';

/** `npm run load` lists 1,000, and plays fleets besides. */
const POINTS = 200;

test('points are listed by two requests each, in bounded memory', async (t) => {
  t.diagnostic(JSON.stringify(await playList(POINTS)));
});
