/** HTML and SVG in which every value is text unless it was made by this function: a VM may be named `<script>`. */

export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Piece = Markup | string | number | readonly Markup[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function textOf(piece: Piece): string {
  if (piece instanceof Markup) return piece.text;
  if (typeof piece === 'string') return piece.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
  return typeof piece === 'number' ? String(piece) : piece.map(({ text }) => text).join('');
}

/** Values stand for text or for the value of a quoted attribute. */
export function html(strings: TemplateStringsArray, ...values: readonly Piece[]): Markup {
  return new Markup(strings.map((part, index) => part + textOf(values[index] ?? '')).join(''));
}
