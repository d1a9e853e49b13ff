package io.sparkgguf.job;

import io.sparkgguf.model.Model;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.RowOrder;
import io.sparkgguf.model.TernarySource;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Encoding;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;

/**
 * Where the weights of a model lie: what tasks get instead of the weights. Made on the driver from the headers alone,
 * opened in each task, which then reads the rows that it asks for.
 */
final class ModelWeights implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Bytes of one read at the most; a single block may need more. */
    static final int READ_BYTES = 4 << 20;

    private final HashMap<String, Entry> tensors;
    private final int readBytes;

    private record Entry(Shape shape, ModelTensor.Source source) implements Serializable {}

    private ModelWeights(HashMap<String, Entry> tensors, int readBytes) {
        this.tensors = tensors;
        this.readBytes = readBytes;
    }

    /**
     * The weights of a model.
     *
     * @throws InvalidInputException when a tensor's type cannot be decoded
     */
    static ModelWeights of(Model model) {
        return of(model, READ_BYTES);
    }

    /** The same with reads of at most {@code readBytes} bytes. */
    static ModelWeights of(Model model, int readBytes) {
        HashMap<String, Entry> tensors = new HashMap<>();
        for (ModelTensor tensor : model.tensors()) {
            if (tensor.source() instanceof ModelTensor.Stored stored) {
                for (TensorLocation part : stored.parts()) {
                    if (!BlockFormats.of(part.encoding()).decodes()) {
                        throw new InvalidInputException("Cannot run the model: tensor " + tensor.name() + " of "
                                + part.file() + " is " + part.encoding().label() + ", which has no decoder here");
                    }
                }
            }
            tensors.put(tensor.name(), new Entry(tensor.shape(), tensor.source()));
        }
        return new ModelWeights(tensors, readBytes);
    }

    boolean has(String name) {
        return tensors.containsKey(name);
    }

    Shape shape(String name) {
        return entry(name).shape();
    }

    private Entry entry(String name) {
        Entry entry = tensors.get(name);
        if (entry == null) {
            throw new IllegalArgumentException("Cannot read tensor " + name + ": the model has none of this name");
        }
        return entry;
    }

    /** Bytes that an opened source holds at the most. */
    long memory() {
        return 2L * readBytes + TernaryReader.MEMORY; // as read, rows that wait for their places, and a scale's search
    }

    /** Opens the weights where they are needed. Files are opened at the first read; for use by one thread. */
    WeightSource open(Storage storage) {
        return new Opened(storage);
    }

    private final class Opened implements WeightSource {
        private final Storage storage;
        private final Map<String, RangeReader> files = new HashMap<>();
        private final Map<TernarySource, TernaryReader> ternary = new HashMap<>();
        private byte[] read = new byte[0];
        private float[] run = new float[0];

        Opened(Storage storage) {
            this.storage = storage;
        }

        @Override
        public boolean has(String name) {
            return ModelWeights.this.has(name);
        }

        @Override
        public Shape shape(String name) {
            return ModelWeights.this.shape(name);
        }

        @Override
        public void rows(String name, long firstRow, int rows, float[] into, int at) throws IOException {
            Entry entry = entry(name);
            Shape shape = entry.shape();
            if (rows < 0 || firstRow < 0 || firstRow > shape.rows() - rows) {
                throw new IllegalArgumentException("Cannot read %d rows of %s from row %d: its shape is %s"
                        .formatted(rows, name, firstRow, shape));
            }
            int count = Math.toIntExact(Math.multiplyExact((long) rows, shape.columns()));
            Objects.checkFromIndexSize(at, count, into.length);
            if (entry.source() instanceof ModelTensor.Computed computed) {
                System.arraycopy(computed.values(), Math.toIntExact(firstRow * shape.columns()), into, at, count);
                return;
            }
            ModelTensor.Stored stored = (ModelTensor.Stored) entry.source();
            if (stored.order().isAsStored()) {
                decode(stored, firstRow * shape.columns(), count, into, at);
            } else if (shape.rank() < 2) { // a bias: its elements are regrouped as rows are
                ordered(stored, firstRow * shape.columns(), count, 1, into, at);
            } else {
                ordered(stored, firstRow, rows, Math.toIntExact(shape.columns()), into, at);
            }
        }

        /**
         * Output rows of a tensor whose heads are interleaved. Of one head, every other output row comes from the same
         * half, and there they follow each other: each half is read as one range.
         */
        private void ordered(ModelTensor.Stored stored, long firstRow, int rows, int columns, float[] into, int at)
                throws IOException {
            RowOrder order = stored.order();
            long end = firstRow + rows;
            long row = firstRow;
            while (row < end) {
                long next = Math.min(end, (row / order.group() + 1) * order.group());
                for (int half = 0; half < 2; half++) {
                    long first = row + half;
                    int count = (int) ((next - first + 1) / 2);
                    if (count > 0) {
                        scatter(
                                stored,
                                order.sourceRow(first),
                                count,
                                columns,
                                into,
                                at + Math.toIntExact((first - firstRow) * columns));
                    }
                }
                row = next;
            }
        }

        /** Consecutive source rows to every other row from {@code at}. */
        private void scatter(ModelTensor.Stored stored, long sourceRow, int count, int columns, float[] into, int at)
                throws IOException {
            int fit = Math.max(1, readBytes / Float.BYTES / Math.max(1, columns));
            int most = Math.min(fit, count) * columns;
            if (run.length < most) {
                run = new float[most];
            }
            for (int done = 0; done < count; done += fit) {
                int rows = Math.min(fit, count - done);
                decode(stored, (sourceRow + done) * columns, rows * columns, run, 0);
                for (int r = 0; r < rows; r++) {
                    System.arraycopy(run, r * columns, into, at + 2 * (done + r) * columns, columns);
                }
            }
        }

        /** Elements from {@code first} on, in the order of the source, the parts laid end to end. */
        private void decode(ModelTensor.Stored stored, long first, int count, float[] into, int at) throws IOException {
            long partStart = 0;
            for (TensorLocation part : stored.parts()) {
                long partEnd = partStart + part.shape().elements();
                long from = Math.max(first, partStart);
                long to = Math.min(first + count, partEnd);
                if (from < to) {
                    decode(part, from - partStart, (int) (to - from), into, at + (int) (from - first));
                }
                partStart = partEnd;
            }
            TernarySource source = stored.ternary();
            if (source != null && source.appliesTo(BlockType.F32)) {
                TernaryReader reader = ternary.get(source);
                if (reader == null) {
                    reader = TernaryReader.open(storage, source);
                    ternary.put(source, reader);
                }
                reader.apply(into, at, count, first);
            }
        }

        private void decode(TensorLocation part, long first, int count, float[] into, int at) throws IOException {
            Encoding encoding = part.encoding();
            BlockFormat format = BlockFormats.of(encoding);
            int most = Math.max(1, readBytes / encoding.blockBytes()) * encoding.blockElements();
            RangeReader reader = reader(part.file());
            for (int done = 0; done < count; done += most) {
                int elements = Math.min(most, count - done);
                int bytes = Math.toIntExact(encoding.bytes(elements));
                if (read.length < bytes) {
                    read = new byte[bytes];
                }
                reader.readFully(part.offset() + encoding.bytes(first + done), read, 0, bytes);
                format.decode(read, 0, elements, into, at + done);
            }
        }

        private RangeReader reader(String file) throws IOException {
            RangeReader reader = files.get(file);
            if (reader == null) {
                reader = storage.open(file);
                files.put(file, reader);
            }
            return reader;
        }

        @Override
        public void close() throws IOException {
            IOException failed = null;
            for (RangeReader reader : files.values()) {
                try {
                    reader.close();
                } catch (IOException e) {
                    failed = e;
                }
            }
            files.clear();
            if (failed != null) {
                throw failed;
            }
        }
    }
}
