/** What the command line can ask of an agent: a request, any number of progress lines, and a result. */
export interface Operation<Request, Progress, Result> {
  readonly request: Request;
  readonly progress: Progress;
  readonly result: Result;
}
