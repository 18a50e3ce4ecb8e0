/** The part of d3-scale and d3-shape that the plots use; the packages bring no types of their own. */

declare module 'd3-scale' {
  interface Scale<Domain> {
    (value: Domain): number;
    domain(values: readonly Domain[]): this;
    range(values: readonly number[]): this;
    ticks(count?: number): Domain[];
  }
  interface TimeScale extends Scale<Date> {
    tickFormat(): (time: Date) => string;
  }
  export function scaleLinear(): Scale<number>;
  export function scaleUtc(): TimeScale;
}

declare module 'd3-shape' {
  interface Line<Item> {
    (items: readonly Item[]): string | null;
    x(of: (item: Item) => number): this;
    y(of: (item: Item) => number): this;
    digits(count: number): this;
  }
  interface Area<Item> {
    (items: readonly Item[]): string | null;
    x(of: (item: Item) => number): this;
    y0(at: number): this;
    y1(of: (item: Item) => number): this;
    digits(count: number): this;
  }
  export function line<Item>(): Line<Item>;
  export function area<Item>(): Area<Item>;
}
