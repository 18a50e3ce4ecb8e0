/** What a check of the doctor found: one line each, with the cure where something is wrong. */

export type Finding =
  | { readonly state: 'ok'; readonly check: Check; readonly what: string }
  | { readonly state: 'warning' | 'failed'; readonly check: Check; readonly what: string; readonly cure: string };

export type Check =
  | 'certificate'
  | 'login'
  | 'role'
  | 'clock'
  | 'tracking'
  | 'nbd-network'
  | 'nbd-server'
  | 'space'
  | 'chain'
  | 'vault';

export const ok = (check: Check, what: string): Finding => ({ state: 'ok', check, what });

export const warning = (check: Check, what: string, cure: string): Finding => ({ state: 'warning', check, what, cure });

export const failed = (check: Check, what: string, cure: string): Finding => ({ state: 'failed', check, what, cure });
