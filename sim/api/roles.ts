/** Role based access control: six roles in one line, each including the weaker ones. */

export const ROLES = ['read-only', 'vm-operator', 'vm-admin', 'vm-power-admin', 'pool-operator', 'pool-admin'] as const;
export type Role = (typeof ROLES)[number];

export interface User {
  readonly username: string;
  readonly password: string;
  readonly role: Role;
}

export function includesRole(held: Role, needed: Role): boolean {
  return ROLES.indexOf(held) >= ROLES.indexOf(needed);
}
