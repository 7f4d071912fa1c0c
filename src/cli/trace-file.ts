// --trace FILE: the profile of a command as a file for trace viewers, and its totals for people.
import { open } from "node:fs/promises";
import { Tracer, traceTable } from "../engine/tracer.ts";
import { doing } from "../run/files.ts";
import type { Console } from "./console.ts";

/** A tracer when a file is asked for. The file is opened first, so that hours of work do not end in a wrong path. */
export async function openTrace(file: string | undefined) {
  if (file === undefined) return { tracer: undefined, finish: async () => {} };
  const handle = await doing(`writing ${file}`, () => open(file, "w"));
  const tracer = new Tracer();
  return {
    tracer,
    /** Writes the file and shows the totals. */
    async finish(console: Console): Promise<void> {
      try {
        let text = "";
        for (const piece of tracer.events()) {
          text += piece;
          if (text.length < 1 << 20) continue;
          await handle.write(text);
          text = "";
        }
        await handle.write(text);
      } finally {
        await handle.close();
      }
      console.log(traceTable(tracer.totals()));
      const cut = tracer.dropped > 0 ? `, without the last ${tracer.dropped} zones` : "";
      console.log(`trace: ${file}${cut} (open it in ui.perfetto.dev or chrome://tracing)`);
    },
  };
}
