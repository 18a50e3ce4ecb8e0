/** Signs with a key that whoever writes to the vault cannot take along: ECDSA on P-256 over SHA-256. */

export interface Signer {
  /** Throws SigningRefused or SigningUnavailable. */
  sign(message: Buffer, options?: { readonly signal?: AbortSignal }): Promise<SignedBytes>;
}

interface SignedBytes {
  /** The key as its owner names it. */
  readonly key: string;
  /** DER. */
  readonly signature: Buffer;
}
