/** The fake host's own XML: reads calls, writes replies the way a host does. */

export type Wire = string;

export const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** Integers, references, enumerations and strings all go untyped. */
export const untyped = (text: string | number): Wire => `<value>${escapeXml(String(text))}</value>`;
export const bool = (value: boolean): Wire => `<value><boolean>${value ? 1 : 0}</boolean></value>`;
export const double = (value: number): Wire => `<value><double>${value.toPrecision(16)}</double></value>`;
export const compactDate = (text: string): Wire => `<value><dateTime.iso8601>${text}</dateTime.iso8601></value>`;
export const nil: Wire = '<value><nil/></value>';
export const i4 = (value: number): Wire => `<value><i4>${value}</i4></value>`;
export const array = (items: readonly Wire[]): Wire => `<value><array><data>${items.join('')}</data></array></value>`;
export const struct = (members: Readonly<Record<string, Wire>>): Wire =>
  `<value><struct>${Object.entries(members)
    .map(([name, value]) => `<member><name>${escapeXml(name)}</name>${value}</member>`)
    .join('')}</struct></value>`;

const document = (value: Wire): string =>
  `<?xml version="1.0"?><methodResponse><params><param>${value}</param></params></methodResponse>`;

export const success = (value: Wire): string => document(struct({ Status: untyped('Success'), Value: value }));
export const refusal = (...description: readonly string[]): string =>
  document(struct({ Status: untyped('Failure'), ErrorDescription: array(description.map(untyped)) }));

export type Param = string | boolean | Param[] | { [name: string]: Param };
export interface Call {
  readonly method: string;
  readonly params: readonly Param[];
}

/** Reads what the serializer under test writes; anything else is an error, CDATA included. */
export function parseCall(xml: string): Call {
  const tokens = xml.match(/<[^>]*>|[^<]+/g) ?? [];
  let at = 0;
  const peek = (): string => tokens[at] ?? '';
  const take = (expected?: string): string => {
    const token = tokens[at++] ?? '';
    if (expected !== undefined && token !== expected) throw new Error(`expected ${expected}, got ${token}`);
    return token;
  };
  const text = (): string => (peek().startsWith('<') ? '' : unescapeXml(take()));
  const within = <T>(tag: string, read: () => T): T => {
    take(`<${tag}>`);
    const inner = read();
    take(`</${tag}>`);
    return inner;
  };
  const many = <T>(opens: string, read: () => T): T[] => {
    const found: T[] = [];
    while (peek() === opens) found.push(read());
    return found;
  };
  const value = (): Param =>
    within('value', () => {
      switch (peek()) {
        case '<string/>':
          take();
          return '';
        case '<string>':
          return within('string', text);
        case '<boolean>':
          return within('boolean', text) === '1';
        case '<struct/>':
          take();
          return {};
        case '<struct>':
          return within('struct', () =>
            Object.fromEntries(
              many('<member>', () => within('member', (): [string, Param] => [within('name', text), value()])),
            ),
          );
        case '<array>':
          return within('array', () => {
            if (peek() === '<data/>') {
              take();
              return [];
            }
            return within('data', () => many('<value>', value));
          });
        default:
          throw new Error(`no value of a call: ${peek()}`);
      }
    });
  take('<?xml version="1.0"?>');
  return within('methodCall', () => {
    const method = within('methodName', text);
    if (peek() === '<params/>') {
      take();
      return { method, params: [] };
    }
    return { method, params: within('params', () => many('<param>', () => within('param', value))) };
  });
}

function unescapeXml(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#xD;', '\r')
    .replaceAll('&amp;', '&');
}
