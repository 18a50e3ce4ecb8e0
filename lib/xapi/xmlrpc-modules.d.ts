/** The halves of the `xmlrpc` package that its published types leave out. */

declare module 'xmlrpc/lib/serializer.js' {
  export function serializeMethodCall(method: string, params: readonly unknown[]): string;
}

declare module 'xmlrpc/lib/deserializer.js' {
  interface Source {
    setEncoding(encoding: string): void;
    on(event: 'error', listener: (error: Error) => void): void;
    pipe(parser: unknown): void;
  }

  class Deserializer {
    /** Takes the bytes of the reply; calls the methods below. */
    readonly parser: { write(chunk: Buffer): void; end(): void };
    deserializeMethodResponse(
      stream: Source,
      callback: (error: Error | null | undefined, value: unknown) => void,
    ): void;
    onOpentag(node: { readonly name: string }): void;
    onClosetag(name: string): void;
  }
  export = Deserializer;
}

declare module 'xmlrpc/lib/customtype.js' {
  class CustomType {
    readonly raw: string;
    tagName: string;
    constructor(raw: string);
  }
  export = CustomType;
}
