/** The halves of the `xmlrpc` package that its published types leave out. */

declare module 'xmlrpc/lib/serializer.js' {
  export function serializeMethodCall(method: string, params: readonly unknown[]): string;
}

declare module 'xmlrpc/lib/deserializer.js' {
  import type { Readable } from 'node:stream';

  class Deserializer {
    deserializeMethodResponse(stream: Readable, callback: (error: Error | null, value: unknown) => void): void;
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
