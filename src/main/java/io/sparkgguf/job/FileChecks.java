package io.sparkgguf.job;

import io.sparkgguf.format.gguf.GgufHeader;
import io.sparkgguf.format.gguf.GgufReader;
import io.sparkgguf.format.gguf.GgufTensor;
import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Arrays;
import java.util.Iterator;

/** Reads a written file's header back and compares it with the plan. */
final class FileChecks {
    private FileChecks() {}

    /**
     * Refuses a file whose header, length or tensor table is not what was planned.
     *
     * @param reader of the written file
     * @param output its index in the plan
     */
    static void requireAsPlanned(RangeReader reader, Plan plan, int output) throws IOException {
        OutputFile planned = plan.files().get(output);
        String file = reader.file();
        byte[] header = new byte[planned.header().length];
        if (reader.length() != planned.length()) {
            throw new InvalidInputException("Cannot accept %s: it has %d bytes, planned are %d"
                    .formatted(file, reader.length(), planned.length()));
        }
        reader.readFully(0, header, 0, header.length);
        int difference = Arrays.mismatch(header, planned.header());
        if (difference >= 0) {
            throw new InvalidInputException(
                    "Cannot accept %s: byte %d of its header is not as planned".formatted(file, difference));
        }
        GgufHeader parsed = GgufReader.read(reader);
        Iterator<GgufTensor> found = parsed.tensors().iterator();
        for (PlannedTensor tensor : plan.tensors()) {
            if (tensor.output() != output) {
                continue;
            }
            GgufTensor read = found.next();
            if (!read.name().equals(tensor.name())
                    || read.type() != tensor.type()
                    || parsed.dataStart() + read.offset() != tensor.offset()) {
                throw new InvalidInputException(
                        "Cannot accept %s: tensor %s is not as planned".formatted(file, tensor.name()));
            }
        }
    }
}
