import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { type DoctorPorts, examine } from '#lib/host/doctor.ts';
import { Secret } from '#lib/secret.ts';
import { parseSha256 } from '#lib/units.ts';
import { takeSnapshot } from '#sim/api/vdi-calls.ts';
import { chainFiles } from '#sim/disks/vhd-chains.ts';
import type { Simulator, SimulatorOptions } from '#sim/simulator.ts';
import { LoneSite } from '../fakes/lone-site.ts';

interface Setting {
  readonly options?: SimulatorOptions;
  readonly spoil?: (site: LoneSite) => unknown;
  readonly change?: (ports: DoctorPorts, site: LoneSite) => DoctorPorts;
}

/** The findings that are not ok, on a pool that is healthy but for what the setting spoils. */
async function complaintsOf({ options = {}, spoil, change }: Setting) {
  await using site = await LoneSite.start({ srs: [{ name: 'Local storage', type: 'ext' }], ...options });
  await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(65_536) }] });
  spoil?.(site);
  const ports: DoctorPorts = {
    url: site.sim.url,
    pool: site.pool,
    vault: { store: site.store, random: randomBytes },
    clock: site.clock,
    signal: AbortSignal.timeout(20_000),
  };
  const findings = await examine(change?.(ports, site) ?? ports);
  assert.equal(site.sim.counters.sessions, 0, 'the doctor left a session');
  assert.equal(site.sim.counters.tasks, 0, 'the doctor left a task');
  return findings.flatMap((finding) =>
    finding.state === 'ok' ? [] : [{ ...finding, line: `${finding.state} ${finding.check}: ${finding.what}` }],
  );
}

test('a healthy pool and vault give no complaint', async () => {
  assert.deepEqual(await complaintsOf({}), []);
});

/** Snapshots of the only disk, until its chain has so many files. */
function growChain({ world }: Simulator, files: number): void {
  const [vdi = ''] = world.db.VDI.refs();
  while (chainFiles(world, vdi) < files) takeSnapshot(world, vdi, {});
}

const vmOperator = { username: 'operator', password: 'pass', role: 'vm-operator' } as const;

const BROKEN: readonly (readonly [what: string, setting: Setting, complaint: RegExp, cure: RegExp])[] = [
  [
    'whose certificate is not the pinned one',
    {
      change: (ports, { pool }) => {
        const pin = { kind: 'fingerprint', sha256: parseSha256('0'.repeat(64)) } as const;
        return { ...ports, pool: { ...pool, host: { ...pool.host, pin } } };
      },
    },
    /^failed certificate: the host shows [0-9a-f]{64}, pinned is 0{64}/,
    /--fingerprint [0-9a-f]{64}/,
  ],
  [
    'that is not pinned yet',
    { change: (ports) => ({ ...ports, pool: undefined }) },
    /^failed certificate: .*nothing is pinned/,
    /--fingerprint [0-9a-f]{64}/,
  ],
  [
    'that refuses the password',
    {
      change: (ports, { pool }) => {
        const credentials = () => Promise.resolve({ username: 'root', password: new Secret('wrong') });
        return { ...ports, pool: { ...pool, credentials } };
      },
    },
    /^failed login: .*SESSION_AUTHENTICATION_FAILED/,
    /^Correct the user name or the password/,
  ],
  [
    'whose user has too weak a role',
    {
      options: { users: [vmOperator] },
      change: (ports, { pool }) => {
        const { username, password } = vmOperator;
        return { ...ports, pool: { ...pool, credentials: async () => ({ username, password: new Secret(password) }) } };
      },
    },
    /^failed role: .*RBAC_PERMISSION_DENIED/,
    /vm-admin/,
  ],
  [
    'whose licence has no tracking',
    { spoil: ({ sim }) => Object.assign(sim.faults, { cbtRestricted: true }) },
    /^warning tracking: the licence/,
    /licence/,
  ],
  [
    'without a network for NBD',
    { options: { networks: [{ name: 'Management' }] } },
    /^failed nbd-network: no network has the purpose nbd \(there are "Management"\)/,
    /blockferry host nbd enable/,
  ],
  [
    'whose NBD server still has the certificate before the last',
    { options: { faults: { nbdCertificate: 'replaced' } } },
    /^failed nbd-server: 127\.0\.0\.1:\d+: .*certificate/,
    /systemctl restart xapi-nbd/,
  ],
  [
    'all of whose NBD slots are taken',
    { spoil: ({ sim }) => Object.assign(sim.faults, { nbdRefuses: true }) },
    /^failed nbd-server/,
    /restart the NBD service/,
  ],
  [
    'whose storage is full',
    { options: { srs: [{ name: 'small', type: 'ext', physicalBytes: 66_000 }] } },
    /^failed space: small has 1 % free/,
    /Free space/,
  ],
  [
    'with a chain at its limit',
    { spoil: ({ sim }) => growChain(sim, 29) },
    /^failed chain: the chain of web disk 0 has 29 VHD files/,
    /coalesce/,
  ],
  [
    'whose clock is an hour ahead',
    { spoil: (site) => site.sim.advanceClock(3_600_000) },
    /^warning clock: the host's clock is (3599|36\d\d) s ahead/,
    /NTP/,
  ],
  [
    'on a storage that cannot track',
    { options: { srs: [{ name: 'volumes', type: 'linstor' }] } },
    /^warning tracking: volumes \(linstor\)/,
    /another SR/,
  ],
];

for (const [what, setting, complaint, cure] of BROKEN) {
  test(`a pool ${what} gets exactly that diagnosis, with a cure`, async () => {
    const complaints = await complaintsOf(setting);
    assert.match(complaints[0]?.line ?? 'no complaint', complaint);
    assert.match(complaints[0]?.cure ?? '', cure);
    const checks = new Set(complaints.map(({ check }) => check));
    // Without a purpose there is no server either.
    checks.delete('nbd-server');
    assert.ok(checks.size <= 1, `also complains about ${[...checks].join(', ')}`);
  });
}
