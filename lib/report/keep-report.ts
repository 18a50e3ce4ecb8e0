/** The report as the upkeep leaves it in the vault: one page for each day, and the newest under a name that stays. */

import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { Bytes } from '#lib/units.ts';
import { type ReportRequest, writeReport } from './write-report.ts';

/** Doing it again on the same day replaces the day's page. */
export async function keepReport(
  store: ObjectStore,
  request: ReportRequest,
): Promise<{ page: string; pageBytes: Bytes; vms: number; late: number }> {
  const { page, fleet } = await writeReport(store, request);
  const body = Buffer.from(page);
  const key = vaultKeys.report(request.now);
  for (const each of [key, vaultKeys.latestReport()])
    await store.put(each, body, { contentType: 'text/html; charset=utf-8' });
  const late = fleet.vms.filter(({ status }) => status === 'late').length;
  return { page: key, pageBytes: body.length, vms: fleet.vms.length, late };
}
