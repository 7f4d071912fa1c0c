# Small parquet files in the columns of the hub's data sets, and one that lies about its size: parquet/*.parquet.
# The rows are invented; types, compression and nesting are those of the published files.
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

assert pa.__version__ == "26.0.1"
folder = pathlib.Path(__file__).parent / "parquet"
folder.mkdir(exist_ok=True)


def write(name, rows, schema, **options):
    table = pa.Table.from_pylist(rows, schema=pa.schema(schema))
    pq.write_table(table, folder / f"{name}.parquet", **{"compression": "snappy", **options})


mmlu = [("question", pa.string()), ("subject", pa.string()), ("choices", pa.list_(pa.string())), ("answer", pa.int64())]
question = lambda text, subject, answer: {
    "question": text, "subject": subject, "choices": ["one", "two", "three, or \"3\"", "four\nand more"], "answer": answer}
write("mmlu-test", [question("Which?", "anatomy", 2), question("Who?", "virology", 0), question("Where?", "anatomy", 3)], mmlu)
write("mmlu-dev", [question("What?", "anatomy", 1)], mmlu)
write("mmlu-bad", [question("Which?", "anatomy", 4), question("", "anatomy", 0), question("Who?", "anatomy", 1),
                   {**question("How?", "anatomy", 1), "choices": ["one"]}], mmlu)
write("gsm8k-test", [{"question": "2 + 3?", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"}],
      [("question", pa.string()), ("answer", pa.string())])
for codec in ("gzip", "zstd", "brotli", "lz4", "none"):
    write(f"mmlu-{codec}", [question("Which?", "anatomy", 2)], mmlu, compression=codec)
# 64 MiB of one letter in a few kilobytes: what a bomb looks like.
write("mmlu-bomb", [question("x" * 2**26, "anatomy", 0)], mmlu, compression="zstd", use_dictionary=False, write_statistics=False)
