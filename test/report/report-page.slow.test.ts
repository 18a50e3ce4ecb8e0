import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { keepSweepResult } from '#lib/host/sweep-result.ts';
import { bytesText, dollarsText, timeText } from '#lib/report/figures.ts';
import type { FleetReport } from '#lib/report/fleet.ts';
import { takeInventories } from '#lib/report/inventory.ts';
import { writeReport } from '#lib/report/write-report.ts';
import { listPoints } from '#lib/restore/points.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { MIB } from '#lib/units.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { Browser } from './browser.ts';
import { encodePoint, keyOf, pointOf } from './point-fixture.ts';

const DESKTOP = { width: 1280, height: 900, phone: false, theme: 'light' } as const;
const PHONE = { width: 390, height: 844, phone: true, theme: 'dark' } as const;
const DAY_MS = 86_400_000;
/** Where the page and pictures of it stay to be looked at; left out, they go with the test's folder. */
const PICTURES = process.env['BLOCKFERRY_PICTURES'];

const NOBODY = { uuids: [], names: [], tags: [] };
const NIGHTLY = {
  policy: 'nightly',
  select: { ...NOBODY, names: ['web-1'] },
  exclude: NOBODY,
  at: '01:30',
  timezone: 'Europe/Berlin',
};

/** Words that stand on a ground of their own as well. */
const GROUNDS: Readonly<Record<string, readonly string[]>> = {
  good: ['ground', 'panel', 'goodsoft'],
  late: ['ground', 'panel', 'latesoft'],
};

const HOSTILE = '<script>alert("x")</script>';
const POINTS = 120;

/** A point a day; two fulls, weekdays that differ, and a last day with ninety times the change. */
function history(vmName: string, { scale, ageDays }: { scale: number; ageDays: number }): VmPoint[] {
  const newest = Date.now() - DAY_MS / 24 - ageDays * DAY_MS;
  return Array.from({ length: POINTS }, (_, index) => {
    const seq = index + 1;
    const burst = seq === 1 ? 60 : seq === POINTS ? 90 : 1;
    const dataGrains = scale * (1 + (seq % 7)) * burst;
    const time = new Date(newest - (POINTS - seq) * DAY_MS);
    const kind = seq === 1 || seq === 80 ? 'full' : 'incremental';
    return pointOf({ vmName, seq, kind, time, dataGrains, storedBytes: dataGrains * 30_000 });
  });
}

describe('the report page in a browser', () => {
  let site: LoneSite;
  let folder: string;
  let browser: Browser;
  let file: string;
  let fleet: FleetReport;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'blockferry-report-'));
    site = await LoneSite.start();
    const vm = await site.sim.addVm({ name: 'web-1', disks: [{ bytes: randomBytes(4 * MIB) }] });
    await site.backUp(vm.uuid);
    site.sim.write(vm.vdis[0]!, MIB, randomBytes(MIB));
    await site.backUp(vm.uuid);
    for (const point of [
      ...history('database', { scale: 40, ageDays: 0 }),
      ...history(HOSTILE, { scale: 3, ageDays: 4 }),
    ]) {
      await site.store.put(keyOf(point), encodePoint(point));
    }
    await site.sim.addVm({ name: 'forgotten', disks: [{ bytes: randomBytes(MIB) }] });
    await takeInventories(site.ports, ['lab']);
    const left = [{ what: 'snapshot of run 0123456789abcdef', why: 'still in use on the host' }];
    await keepSweepResult(site.store, { time: new Date(), removed: ['lease'], left, spared: [] });
    const made = await writeReport(site.store, {
      now: new Date(),
      vault: 's3://vault/lab/',
      objectiveMs: DAY_MS,
      prices: SHIPPED_PRICES,
      storageClass: 'STANDARD',
      policies: [NIGHTLY],
      retention: retentionPolicy.parse({ keepDaily: 14, keepWeekly: 8 }),
    });
    fleet = made.fleet;
    file = join(PICTURES ?? folder, 'report.html');
    await writeFile(file, made.page);
    browser = await Browser.start();
  });
  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await site?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [name, look] of [
    ['desktop', DESKTOP],
    ['desktop-dark', { ...DESKTOP, theme: 'dark' }],
    ['tablet', { ...PHONE, width: 820 }],
    ['phone', PHONE],
    // A4 at 96 dots an inch, less its margins.
    ['paper', { ...DESKTOP, width: 718, printed: true }],
    ['phone-light', { ...PHONE, theme: 'light' }],
  ] as const) {
    test(`it loads from a file at ${name} width, asks for nothing and complains of nothing`, async () => {
      await browser.open(file, look);
      assert.deepEqual(browser.complaints, []);
      assert.deepEqual(
        browser.requests.filter((url) => !url.startsWith('file:') && url !== 'data:,'),
        [],
      );
      assert.equal(browser.requests.filter((url) => url.startsWith('file:')).length, 1);
      const wider = await browser.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
      assert.ok(wider <= 0, `the page is ${wider} pixels wider than the window`);
      await browser.screenshot(join(PICTURES ?? folder, `report-${name}.png`));
    });
  }

  for (const [name, look] of [
    ['desktop', DESKTOP],
    ['phone', PHONE],
  ] as const) {
    test(`no word of a plot is cut off, at ${name} width`, async () => {
      await browser.open(file, look);
      const cut = `[...document.querySelectorAll('svg text')].filter((text) => {
        const [own, plot] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
        return own.left < plot.left - 1 || own.right > plot.right + 1;
      }).map(({ textContent }) => textContent)`;
      assert.deepEqual(await browser.evaluate(cut), []);
    });

    test(`with every table opened nothing is wider than its part of the page, at ${name} width`, async () => {
      await browser.open(file, look);
      await browser.evaluate('document.querySelectorAll("details").forEach((each) => { each.open = true; })');
      const wide = `[...document.querySelectorAll('table')].filter((table) =>
        getComputedStyle(table.parentElement).overflowX === 'visible' &&
        table.offsetWidth > table.parentElement.clientWidth + 1).length`;
      assert.equal(await browser.evaluate(wide), 0);
      await browser.screenshot(join(PICTURES ?? folder, `report-${name}-opened.png`));
    });
  }

  test('its figures are those of the vault', async () => {
    await browser.open(file, DESKTOP);
    const points = (await listPoints(site.store)).map(({ point }) => point);
    const stored = points.flatMap(({ disks }) => disks).reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    const tile = (id: string) => browser.evaluate<string>(`document.querySelector('#${id} b').textContent`);
    assert.equal(await tile('points'), String(points.length));
    assert.equal(await tile('stored'), bytesText(stored));
    assert.equal(await tile('late'), '1');
    assert.equal(await tile('in-time'), '2 of 3');
    const monthly = fleet.vms.reduce((sum, vm) => sum + vm.runsDollars + vm.storageDollars, 0);
    assert.equal(await tile('monthly'), dollarsText(monthly));
    for (const vmName of ['web-1', 'database', HOSTILE]) {
      const own = points.filter((point) => point.vmName === vmName);
      const bytes = own.flatMap(({ disks }) => disks).reduce((sum, { storedBytes }) => sum + storedBytes, 0);
      const row = `[...document.querySelectorAll('.fleet>tbody')].find((body) => body.rows[0].cells[0].textContent === ${JSON.stringify(vmName)})`;
      assert.equal(await browser.evaluate(`${row}.querySelector('[data-name=Stored]').textContent`), bytesText(bytes));
      assert.match(
        await browser.evaluate(`${row}.querySelector('summary').textContent`),
        new RegExp(`^${own.length} points`),
      );
    }
  });

  test('it names what has no backup, what is left on hosts, when a policy runs next, and what retention frees', async () => {
    await browser.open(file, DESKTOP);
    const text = (selector: string) =>
      browser.evaluate<string>(`document.querySelector(${JSON.stringify(selector)}).textContent`);
    assert.match(await text('#coverage'), /forgotten.*no policy selects it; it has no point/s);
    assert.match(await text('#leftovers'), /snapshot of run 0123456789abcdef.*still in use/s);
    const web = fleet.vms.find(({ name }) => name === 'web-1');
    assert.equal(web?.next?.by, 'schedule');
    assert.match(await text('.fleet'), new RegExp(timeText(web.next.time)));
    assert.match(await text('.fleet'), /Retention lets \d+ points go within a week and frees/);
  });

  test('a name of a VM is text, whatever it says', async () => {
    await browser.open(file, DESKTOP);
    assert.equal(await browser.evaluate('document.scripts.length'), 0);
    assert.equal(await browser.evaluate('document.querySelectorAll(".fleet th[data-name=VM]").length'), 3);
  });

  test('every plot has a title or a table beside it, and every table has headed rows and columns', async () => {
    await browser.open(file, DESKTOP);
    const untitled = 'document.querySelectorAll("svg:not([aria-hidden]):not(:has(title))").length';
    assert.equal(await browser.evaluate(untitled), 0);
    const plain =
      '[...document.querySelectorAll("table")].filter((table) => !table.querySelector("th[scope=col]") || !table.querySelector("tbody th[scope=row]")).length';
    assert.equal(await browser.evaluate(plain), 0);
    assert.ok((await browser.evaluate<number>('document.querySelectorAll("svg[role=img]").length')) >= 2);
  });

  for (const theme of ['light', 'dark'] as const) {
    test(`text has a contrast of 4.5 : 1 against its ground in the ${theme} theme`, async () => {
      await browser.open(file, { ...DESKTOP, theme });
      for (const word of ['ink', 'soft', 'good', 'late', 'hint', 'stored']) {
        for (const ground of GROUNDS[word] ?? ['ground', 'panel']) {
          const ratio = contrast(await colour(word), await colour(ground));
          assert.ok(ratio >= 4.5, `${word} on ${ground}: ${ratio}`);
        }
      }
    });
  }

  test('it prints', async () => {
    await browser.open(file, DESKTOP);
    assert.ok((await browser.printedPages()) >= 1);
  });

  async function colour(name: string): Promise<number[]> {
    const paint = `(() => { const probe = document.createElement('i'); probe.style.color = 'var(--${name})';
      document.body.append(probe); return getComputedStyle(probe).color; })()`;
    return (await browser.evaluate<string>(paint)).match(/\d+/g)!.map(Number);
  }
});

/** WCAG 2.2, relative luminance. */
function contrast(one: readonly number[], other: readonly number[]): number {
  const luminance = (channels: readonly number[]) => {
    const [red = 0, green = 0, blue = 0] = channels.map((value) =>
      value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [lighter = 0, darker = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}
