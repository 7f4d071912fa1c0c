// Writes F32 tensors as a safetensors file: an 8-byte header length, a JSON header, the values little-endian.

export interface NamedTensor {
  name: string;
  shape: number[];
  values: Float32Array;
}

export function encodeSafetensors(tensors: readonly NamedTensor[], metadata: Record<string, string> = {}): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: "pt", ...metadata } };
  let end = 0;
  for (const { name, shape, values } of tensors) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
  }
  // Spaces at the end of the header keep the values aligned to 8 bytes.
  let json = JSON.stringify(header);
  while (Buffer.byteLength(json) % 8 !== 0) json += " ";
  const headerBytes = Buffer.from(json);
  const file = Buffer.alloc(8 + headerBytes.length + end);
  file.writeBigUInt64LE(BigInt(headerBytes.length), 0);
  headerBytes.copy(file, 8);
  let offset = 8 + headerBytes.length;
  for (const { values } of tensors) {
    for (const value of values) offset = file.writeFloatLE(value, offset);
  }
  return file;
}
