/** What to do about a connection to a host that did not come about. */

/** By the code that Node gives the error; the address itself is in the failure's message. */
export function connectCure(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return 'No name server knows the name: check how it is written, or give an address.';
  }
  if (code === 'ECONNREFUSED') {
    return 'The machine answers and nothing listens on this port: check that it is the host, and that its toolstack runs.';
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return 'What answers does not speak TLS as a host does: check the address and the port.';
  }
  return 'Check the address, the route and the firewall: TCP port 443.';
}
