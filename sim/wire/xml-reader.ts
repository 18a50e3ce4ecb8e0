/** A cursor over an XML text, strict enough for XML-RPC: elements without attributes, text, entities. */

export class MalformedXml extends Error {
  constructor(what: string, position: number) {
    super(`XML error at character ${position}: ${what}`);
    this.name = 'MalformedXml';
  }
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

export class XmlReader {
  readonly #xml: string;
  #position = 0;

  constructor(xml: string) {
    this.#xml = xml;
  }

  fail(what: string): never {
    throw new MalformedXml(what, this.#position);
  }

  /** Skips white space, the XML declaration and comments, which may stand between any two elements. */
  skipSpace(): void {
    const space = /(?:\s+|<\?.*?\?>|<!--.*?-->)*/sy;
    space.lastIndex = this.#position;
    this.#position += space.exec(this.#xml)?.[0].length ?? 0;
  }

  /** Enters `<name>` if it comes next; an empty element `<name/>` answers 'empty' and has no closing tag. */
  tryOpen(name: string): 'open' | 'empty' | undefined {
    this.skipSpace();
    const tag = /<([A-Za-z0-9_.]+)\s*(\/?)>/y;
    tag.lastIndex = this.#position;
    const match = tag.exec(this.#xml);
    if (match?.[1] !== name) return undefined;
    this.#position += match[0].length;
    return match[2] === '/' ? 'empty' : 'open';
  }

  open(name: string): 'open' | 'empty' {
    return this.tryOpen(name) ?? this.fail(`<${name}> expected`);
  }

  close(name: string): void {
    this.skipSpace();
    const tag = `</${name}>`;
    if (!this.#xml.startsWith(tag, this.#position)) this.fail(`${tag} expected`);
    this.#position += tag.length;
  }

  atClose(name: string): boolean {
    return this.#xml.startsWith(`</${name}>`, this.#position);
  }

  /** Text up to the next tag, with entities resolved. */
  text(): string {
    const end = this.#xml.indexOf('<', this.#position);
    if (end < 0) this.fail('the text does not end');
    const raw = this.#xml.slice(this.#position, end);
    this.#position = end;
    return raw.replace(/&([^;\s]{1,10});?/g, (_, entity: string) => this.#entity(entity));
  }

  end(): void {
    this.skipSpace();
    if (this.#position !== this.#xml.length) this.fail('content after the document');
  }

  #entity(entity: string): string {
    const named = ENTITIES[entity];
    if (named !== undefined) return named;
    const numeric = /^#(?:x([0-9a-fA-F]+)|([0-9]+))$/.exec(entity);
    if (!numeric) return this.fail(`unknown entity &${entity};`);
    const code = numeric[1] === undefined ? Number(numeric[2]) : Number.parseInt(numeric[1], 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : this.fail(`&${entity}; is no character`);
  }
}
