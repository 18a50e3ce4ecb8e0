/**
 * Log lines as Lambda takes them over in its JSON format, level and time included. Written here because the logger of
 * Powertools would add 21 kB to every bundle, and 5 % to the CPU of the reader's cold import, for one kind of line.
 */

export type LogFields = Readonly<Record<string, unknown>>;
export type Log = (level: 'info' | 'error', event: string, fields: LogFields) => void;

interface LogOutput {
  /** Errors apart from the rest, for who runs a step at a console. */
  readonly write: Readonly<Record<'info' | 'error', (line: string) => void>>;
  readonly now: () => Date;
}

export function jsonLog({ write, now }: LogOutput): Log {
  return (level, event, fields) => {
    const head = { level: level.toUpperCase(), message: event, timestamp: now().toISOString(), service: 'blockferry' };
    write[level](`${JSON.stringify({ ...head, ...fields })}\n`);
  };
}
