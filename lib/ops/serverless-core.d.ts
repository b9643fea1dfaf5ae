declare module '@serverless/core' {
  /** What the runner makes one of, without arguments of ours. */
  export class Component {
    init(): Promise<void>
  }
}
