import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Browser } from './browser.ts';

const LIMITS = { seconds: 60, peakMib: 512, pageMib: 5 } as const;
/** Where the page and a picture of it stay to be looked at; left out, they go with the test's folder. */
const PICTURES = process.env['BLOCKFERRY_PICTURES'];
const DESKTOP = { width: 1280, height: 900, phone: false, theme: 'light' } as const;
const PHONE = { width: 390, height: 844, phone: true, theme: 'dark' } as const;
/** From a click to a page that is laid out again, on a machine that may be busy. */
const RESPONSE_LIMIT_MS = 5_000;

describe('the report of 500 VMs with 400 points each', () => {
  let folder: string;
  let file: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'blockferry-large-report-'));
    file = join(PICTURES ?? folder, 'large.html');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test('takes at most 60 s and 512 MiB and is below 5 MiB', async (context) => {
    const program = join(import.meta.dirname, 'large-vault.ts');
    const timeout = 3 * LIMITS.seconds * 1000;
    const { stdout } = await promisify(execFile)(process.execPath, [program, file], { timeout });
    const took = JSON.parse(stdout);
    context.diagnostic(stdout);
    assert.deepEqual([took.vms, took.points], [500, 200_000]);
    for (const [what, limit] of Object.entries(LIMITS)) assert.ok(took[what] < limit, `${what}: ${took[what]}`);
  });

  for (const [name, look] of [
    ['desktop', DESKTOP],
    ['phone', PHONE],
  ] as const) {
    test(`opens in a browser at ${name} width, fits it, and answers to a click`, async (context) => {
      await using browser = await Browser.start();
      await browser.open(file, look);
      assert.deepEqual(browser.complaints, []);
      assert.equal(await browser.evaluate('document.querySelectorAll(".fleet>tbody").length'), 500);
      const wider = await browser.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      assert.ok(wider <= 0, `the page is ${wider} pixels wider than the window`);
      // Asking for the height makes the browser lay the page out before it answers.
      const click = `(() => { const beganMs = performance.now(); const { height } = document.body.getBoundingClientRect();
        [...document.querySelectorAll('.fleet summary')].at(-1).click();
        return { grown: document.body.getBoundingClientRect().height - height, ms: performance.now() - beganMs }; })()`;
      const { grown, ms } = await browser.evaluate<{ grown: number; ms: number }>(click);
      context.diagnostic(`${ms.toFixed(0)} ms`);
      assert.ok(grown > 0 && ms < RESPONSE_LIMIT_MS, `${grown} pixels in ${ms} ms`);
      if (PICTURES !== undefined) await browser.screenshotOfWindow(join(PICTURES, `large-${name}.png`));
    });
  }
});
