package io.sparkgguf.job;

import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.storage.RangeWriter;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.storage.WriteBehind;
import java.io.IOException;
import java.io.OutputStream;
import java.io.Serializable;
import java.util.List;

/**
 * Where results of units are written: each into a part, a file of its own, or straight to where it belongs in the
 * unfinished output. A retry, or a copy of a task at the same time, writes the same bytes to the same place.
 */
interface UnitPlace extends Serializable {

    /**
     * Writes a unit's result; when {@code body} fails, what there is of it in the output is no result.
     *
     * @return the name of the part, null where there is none
     */
    String write(WorkUnit unit, WholeFile.Body body) throws IOException;

    /**
     * In a folder of parts.
     *
     * @param folder exists
     * @param kind of stage, for the names of parts
     */
    static UnitPlace parts(Storage storage, String folder, String kind) {
        return (unit, body) -> {
            String part = WorkFolder.partName(unit.id(), kind);
            WholeFile.write(storage, storage.resolve(folder, part), body);
            return part;
        };
    }

    /**
     * In the outputs.
     *
     * @param files that can be written at an offset, by the units' output index
     */
    static UnitPlace inPlace(Storage storage, List<String> files) {
        return (unit, body) -> {
            try (InPlace out = new InPlace(RangeWriter.open(storage, files.get(unit.output())), unit)) {
                body.write(out);
                out.finish();
            }
            return null;
        };
    }

    /** The bytes of a file that are a unit's, and no others. */
    final class InPlace extends OutputStream {
        private final RangeWriter file;
        private final WriteBehind bytes;
        private final WorkUnit unit;
        private long done;

        private InPlace(RangeWriter file, WorkUnit unit) {
            this.file = file;
            this.unit = unit;
            bytes = new WriteBehind(file, unit.offset(), unit.bytes());
        }

        @Override
        public void write(int value) throws IOException {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] from, int at, int count) throws IOException {
            if (count > unit.bytes() - done) {
                throw new IllegalStateException(explained(done + count));
            }
            bytes.write(from, at, count);
            done += count;
        }

        private void finish() throws IOException {
            if (done < unit.bytes()) {
                throw new IllegalStateException(explained(done));
            }
            bytes.finish();
        }

        private String explained(long bytes) {
            return "Cannot write unit " + unit.id() + " of tensor " + unit.name() + " into " + file.file() + ": it has "
                    + bytes + " bytes, planned are " + unit.bytes();
        }

        @Override
        public void close() throws IOException {
            bytes.close();
        }
    }
}
