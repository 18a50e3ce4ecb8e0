/**
 * Ends a sandbox that takes more memory than its function has. A control group is exact; where none can be made, the
 * resident set is looked at every 25 ms, which a fast allocation can overshoot.
 */

import { randomUUID } from 'node:crypto';
import { access, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MIB } from '#lib/units.ts';

export interface MemoryCap {
  readonly by: 'cgroup-v1' | 'cgroup-v2' | 'polling' | 'nothing';
  /** Puts the process under the cap; `kill` is called when polling finds it over. */
  attach(pid: number, kill: () => void): Promise<void>;
  /** Whether the process was ended for its memory; asked after it ended. */
  exceeded(): Promise<boolean>;
  /** Removes what attach made; the process has ended. */
  release(): Promise<void>;
}

interface GroupKind {
  readonly by: 'cgroup-v1' | 'cgroup-v2';
  readonly mount: string;
  readonly limitFile: string;
  /** Holds a line `oom_kill <count>`. */
  readonly eventsFile: string;
}

const GROUP_KINDS: readonly GroupKind[] = [
  { by: 'cgroup-v2', mount: '/sys/fs/cgroup', limitFile: 'memory.max', eventsFile: 'memory.events' },
  {
    by: 'cgroup-v1',
    mount: '/sys/fs/cgroup/memory',
    limitFile: 'memory.limit_in_bytes',
    eventsFile: 'memory.oom_control',
  },
];
const POLL_MS = 25;
/** The kernel lets go of an ended process a moment after Node hears of its end. */
const RELEASE_ATTEMPTS = 40;

export const noMemoryCap: MemoryCap = {
  by: 'nothing',
  attach: () => Promise.resolve(),
  exceeded: () => Promise.resolve(false),
  release: () => Promise.resolve(),
};

/** The exact cap if this machine allows one, else polling; without /proc (macOS) nothing is ever found over the cap. */
export async function enforceMemory(memoryMb: number): Promise<MemoryCap> {
  for (const kind of GROUP_KINDS) {
    const directory = join(kind.mount, `blockferry-${randomUUID()}`);
    if (await madeGroup(kind, directory, memoryMb)) return controlGroup(kind, directory);
  }
  return new PollingCap(memoryMb * MIB);
}

async function madeGroup(kind: GroupKind, directory: string, memoryMb: number): Promise<boolean> {
  try {
    await access(kind.mount);
    await mkdir(directory);
  } catch {
    // Not Linux, or not allowed: the next kind, in the end polling, takes its place.
    return false;
  }
  try {
    // Writing needs the file to exist: v1 has no memory.max, and v2 has none where the controller is not delegated.
    await access(join(directory, kind.limitFile));
    await writeFile(join(directory, kind.limitFile), String(memoryMb * MIB));
    return true;
  } catch {
    await rmdir(directory);
    return false;
  }
}

function controlGroup(kind: GroupKind, directory: string): MemoryCap {
  return {
    by: kind.by,
    attach: (pid) => writeFile(join(directory, 'cgroup.procs'), String(pid)),
    exceeded: async () => {
      const events = await readFile(join(directory, kind.eventsFile), 'utf8');
      return Number(/^oom_kill (\d+)/m.exec(events)?.[1] ?? 0) > 0;
    },
    release: async () => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          await rmdir(directory);
          return;
        } catch (error) {
          if (attempt >= RELEASE_ATTEMPTS) throw error;
          await delay(POLL_MS);
        }
      }
    },
  };
}

class PollingCap implements MemoryCap {
  readonly by = 'polling';
  readonly #limitBytes: number;
  #exceeded = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  async attach(pid: number, kill: () => void): Promise<void> {
    const look = async (): Promise<void> => {
      const bytes = await residentBytes(pid, 'VmRSS');
      if (bytes === undefined || bytes <= this.#limitBytes) return;
      this.#exceeded = true;
      clearInterval(this.#timer);
      kill();
    };
    this.#timer = setInterval(() => void look(), POLL_MS);
  }

  async exceeded(): Promise<boolean> {
    return this.#exceeded;
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
  }
}

/**
 * Resident memory now (`VmRSS`) or at its peak (`VmHWM`); undefined once the process is gone or where there is no
 * /proc. Not from getrusage: its maximum begins with the size of the parent that forked.
 */
export async function residentBytes(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}
