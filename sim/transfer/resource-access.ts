/** Who may use an HTTP resource: a session reference in the query or a cookie, or name and password. */

import type { Socket } from 'node:net';
import type { Role } from '#sim/api/roles.ts';
import { useSession } from '#sim/api/session-calls.ts';
import { type HttpRequest, type Outcome, respond } from '#sim/wire/http-connection.ts';
import type { World } from '#sim/world.ts';

/** The caller's role; undefined if the request carries nothing valid. */
export function authenticate(world: World, request: HttpRequest): Role | undefined {
  const session = parameter(request, 'session_id');
  if (session !== undefined) {
    try {
      return useSession(world, session);
    } catch {
      return undefined;
    }
  }
  const encoded = /^Basic\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [username, ...password] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return world.users.find((user) => user.username === username && user.password === password.join(':'))?.role;
}

/** Parameters come in the query or as cookies; the query wins. */
export function parameter({ query, headers }: HttpRequest, name: string): string | undefined {
  const asked = query.get(name);
  if (asked !== null) return asked;
  for (const cookie of (headers.get('cookie') ?? '').split(/[;&]/)) {
    const [key = '', ...value] = cookie.trim().split('=');
    if (key === name) return decodeURIComponent(value.join('='));
  }
  return undefined;
}

export function unauthorized(socket: Socket): Promise<Outcome> {
  const headers = ['www-authenticate: Basic realm="XAPI"'];
  return respond(socket, { status: '401 Unauthorised', headers, body: '', close: true });
}

export function forbidden(socket: Socket): Promise<Outcome> {
  return respond(socket, { status: '403 Forbidden', body: '', close: true });
}
