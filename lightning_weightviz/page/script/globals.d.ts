/** What we use of uPlot, which stands before our script. */
interface Plot {
  setData(data: (number | null)[][]): void;
  setSize(size: { width: number; height: number }): void;
  redraw(rebuild?: boolean, recalculate?: boolean): void;
  valToPos(value: number, scale: string, canvas?: boolean): number;
  posToVal(position: number, scale: string): number;
  destroy(): void;
  ctx: CanvasRenderingContext2D;
  bbox: { left: number; top: number; width: number; height: number };
  over: HTMLElement;
  data: (number | null)[][];
  cursor: { idx: number | null };
}
declare const uPlot: {
  new (options: object, data: (number | null)[][], target: HTMLElement): Plot;
  sync(key: string): object;
};
