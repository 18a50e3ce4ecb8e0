/** What can be fuzzed: a parser, inputs it takes, and the ways in which it may say no. */

/** One parser of bytes that somebody else wrote. */
export interface FuzzTarget {
  /** Names the corpus file too. */
  readonly name: string;
  /** Who sends these bytes, for the table of figures. */
  readonly from: 'host' | 'vault' | 'client' | 'guest' | 'person' | 'AWS';
  /** Inputs that the parser takes, or nearly takes, to begin the mutations with. */
  seeds(): readonly Buffer[] | Promise<readonly Buffer[]>;
  /** Pieces that mutations insert, beside the ones that hurt every parser. */
  readonly dictionary?: readonly string[];
  /** Whether inputs are JSON, so that values can be exchanged inside of it. */
  readonly isJson?: true;
  /** Parses; throws what the parser throws. An answer that is text tells kinds of success apart. */
  parse(input: Buffer): unknown;
  /** Names of errors that are the parser's own way to refuse, beside those of every Failure. */
  readonly refusals?: readonly string[];
}
