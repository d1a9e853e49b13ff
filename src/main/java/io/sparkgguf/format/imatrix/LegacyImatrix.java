package io.sparkgguf.format.imatrix;

import io.sparkgguf.format.gguf.Quoted;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.SequentialReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Reads the index of a legacy importance matrix ({@code .dat}):
 *
 * <pre>
 * number of entries      i32
 * entry:   name          i32 bytes, then UTF-8
 *          calls         i32    divides the values; not above 0: they are not divided
 *          values        i32 number, then f32 each: mean squares times calls
 * chunks                 i32, may be missing
 * dataset                i32 bytes, then UTF-8, may be missing
 * </pre>
 */
final class LegacyImatrix {
    private static final int MAX_NAME_BYTES = 65_535;
    /** Name length, one byte of name, calls, number of values, one value. */
    private static final int LEAST_ENTRY_BYTES = 4 + 1 + 4 + 4 + 4;

    private LegacyImatrix() {}

    static ImatrixFile read(RangeReader reader) throws IOException {
        SequentialReader in = new SequentialReader(reader, "imatrix", 0, reader.length());
        int count = in.readInt("the number of entries");
        if (count < 1 || count > in.remaining() / LEAST_ENTRY_BYTES) {
            throw in.damaged(
                    0,
                    "neither a GGUF file nor a legacy importance matrix: " + count + " entries in " + reader.length()
                            + " bytes");
        }
        SortedMap<String, ImatrixEntry> entries = new TreeMap<>();
        for (int i = 0; i < count; i++) {
            long at = in.position();
            ImatrixEntry entry = entry(in, reader.file());
            if (entries.put(entry.tensor(), entry) != null) {
                throw in.damaged(at, "entry " + Quoted.of(entry.tensor()) + " is there twice");
            }
        }
        long chunks = 0;
        if (in.remaining() > 0) {
            long at = in.position();
            chunks = in.readInt("the number of chunks");
            if (chunks < 0) {
                throw in.damaged(at, "the number of chunks is " + chunks);
            }
        }
        List<String> datasets = new ArrayList<>();
        if (in.remaining() > 0) {
            String dataset = string(in, "the dataset's name", 0);
            if (!dataset.isEmpty()) {
                datasets.add(dataset);
            }
        }
        if (in.remaining() > 0) {
            throw in.damaged(in.position(), in.remaining() + " bytes follow behind the end");
        }
        return new ImatrixFile(reader.file(), true, entries, datasets, chunks, 0);
    }

    private static ImatrixEntry entry(SequentialReader in, String file) throws IOException {
        String name = string(in, "an entry's name", 1);
        long at = in.position();
        int calls = in.readInt("the calls of entry " + Quoted.of(name));
        if (calls < 0) {
            throw in.damaged(at, "entry " + Quoted.of(name) + " has " + calls + " calls");
        }
        at = in.position();
        int values = in.readInt("the number of values of entry " + Quoted.of(name));
        if (values < 1) {
            throw in.damaged(at, "entry " + Quoted.of(name) + " has " + values + " values");
        }
        long valuesAt = in.position();
        in.skip(4L * values, "entry " + Quoted.of(name) + " of " + values + " values");
        return new ImatrixEntry(name, file, values, valuesAt, 1, -1, calls);
    }

    private static String string(SequentialReader in, String what, int least) throws IOException {
        long at = in.position();
        int length = in.readInt("the length of " + what);
        if (length < least || length > MAX_NAME_BYTES) {
            throw in.damaged(at, what + " has " + length + " bytes, must be " + least + " to " + MAX_NAME_BYTES);
        }
        return new String(in.readBytes(length, what), StandardCharsets.UTF_8);
    }
}
