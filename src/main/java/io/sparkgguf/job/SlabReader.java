package io.sparkgguf.job;

import io.sparkgguf.plan.SourceRange;
import io.sparkgguf.plan.UnitCutter;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.ReadAhead;
import io.sparkgguf.storage.ReadRange;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/**
 * Walks through the source of a work unit in slabs: rows that fit a core's cache, as stored and as float32 in output
 * order. Holds two reads and one slab at a time.
 */
final class SlabReader implements AutoCloseable {
    private final WorkUnit unit;
    private final SourceBytes bytes;
    private final BlockFormat format;
    private final Storage storage;
    private final int slabRows;
    private final int readRows;
    private final ReadAhead ahead;
    private byte[] read;
    private final float[] stored;
    private final float[] ordered;
    private int chunk; // first row of what was read last
    private int chunkRows;
    private int row; // first row of the slab, in the unit
    private int rows;
    private long readNanos;
    private TernaryReader ternary;

    /** With arrays of its own. */
    SlabReader(Storage storage, WorkUnit unit, boolean decode) {
        this(storage, unit, decode, new Buffers());
    }

    /**
     * @param decode whether {@link #weights} is wanted; false for bytes alone
     * @param buffers that nobody else uses meanwhile
     */
    SlabReader(Storage storage, WorkUnit unit, boolean decode, Buffers buffers) {
        this.unit = unit;
        this.storage = storage;
        bytes = new SourceBytes(storage, unit.ranges());
        format = BlockFormats.of(unit.source());
        int group = unit.order().group();
        slabRows = UnitCutter.slabRows(unit.columns(), group, unit.rows());
        readRows = UnitCutter.readRows(
                unit.columns(), group, unit.rows(), unit.source().bitsPerElement() / 8);
        read = buffers.read(unit.computed() == null ? bytes(readRows) : 0);
        ahead = unit.computed() == null && readRows < unit.rows() ? ahead(buffers) : null;
        stored = decode ? buffers.stored(maxWeights()) : null;
        ordered = decode && !unit.order().isAsStored() ? buffers.ordered(maxWeights()) : stored;
    }

    /** Reads the next chunk while the slabs of one are worked on. */
    private ReadAhead ahead(Buffers buffers) {
        int chunks = (unit.rows() + readRows - 1) / readRows;
        int[] next = new int[1];
        return new ReadAhead(chunks, read, buffers.readAhead(bytes(readRows)), into -> {
            bytes.read(into, bytes(Math.min(readRows, unit.rows() - next[0])));
            next[0] += readRows;
        });
    }

    /** The most weights that a slab has. */
    int maxWeights() {
        return slabRows * unit.columns();
    }

    /** Goes to the next slab; false when there is none. */
    boolean next() throws IOException {
        row += rows;
        if (row == unit.rows()) {
            return false;
        }
        if (unit.ternary() != null && stored != null && ternary == null) {
            ternary = TernaryReader.open(storage, unit.ternary());
        }
        if (row == chunk + chunkRows) {
            chunk = row;
            chunkRows = Math.min(readRows, unit.rows() - row);
            if (unit.computed() == null) {
                long start = System.nanoTime();
                if (ahead == null) {
                    bytes.read(read, bytes(chunkRows));
                } else {
                    read = ahead.next();
                }
                readNanos += System.nanoTime() - start;
            }
        }
        rows = Math.min(slabRows, chunk + chunkRows - row);
        return true;
    }

    /** First row of the slab, counted in the unit. */
    int row() {
        return row;
    }

    /** Rows of the slab. */
    int rows() {
        return rows;
    }

    /** Weights of the slab. */
    int weightCount() {
        return rows * unit.columns();
    }

    /** The stored bytes; those of the slab start at {@link #rawAt}. */
    byte[] raw() {
        return read;
    }

    int rawAt() {
        return bytes(row - chunk);
    }

    /** The slab's weights in float32, rows in output order, from index 0; valid until the next slab. */
    float[] weights() {
        int columns = unit.columns();
        if (unit.computed() != null) {
            System.arraycopy(unit.computed(), row * columns, stored, 0, rows * columns);
            return stored;
        }
        format.decode(read, rawAt(), rows * columns, stored, 0);
        if (ternary != null) {
            ternary.apply(stored, 0, rows * columns, (unit.firstRow() + row) * columns);
        }
        if (!unit.order().isAsStored()) {
            for (int r = 0; r < rows; r++) { // the slab starts at a group of rows, as the unit does
                int from = Math.toIntExact(unit.order().sourceRow(r));
                System.arraycopy(stored, from * columns, ordered, r * columns, columns);
            }
        }
        return ordered;
    }

    /** Time spent reading, or waiting for what is read ahead. */
    long readNanos() {
        return readNanos;
    }

    @Override
    public void close() throws IOException {
        if (ahead != null) {
            ahead.close();
        }
        bytes.close();
    }

    /** Bytes of so many source rows. */
    private int bytes(int rows) {
        return Math.toIntExact(unit.source().bytes((long) rows * unit.columns()));
    }

    /** The unit's ranges read one after another as if they were one file. */
    private static final class SourceBytes implements AutoCloseable {
        private final Storage storage;
        private final Iterator<SourceRange> ranges;
        private RangeReader reader;
        private SourceRange range;
        private long done;

        SourceBytes(Storage storage, List<SourceRange> ranges) {
            this.storage = storage;
            this.ranges = ranges.iterator();
        }

        /** Fills {@code into[0 .. count)} with the next bytes; what lies in one file is asked for at once. */
        void read(byte[] into, int count) throws IOException {
            List<ReadRange> wanted = new ArrayList<>();
            int at = 0;
            while (at < count) {
                if (range == null || done == range.length()) {
                    SourceRange following = ranges.next();
                    if (range == null || !range.file().equals(following.file())) {
                        read(wanted);
                        close();
                        reader = storage.open(following.file());
                    }
                    range = following;
                    done = 0;
                }
                int part = (int) Math.min(count - at, range.length() - done);
                wanted.add(new ReadRange(range.offset() + done, into, at, part));
                done += part;
                at += part;
            }
            read(wanted);
        }

        private void read(List<ReadRange> wanted) throws IOException {
            if (!wanted.isEmpty()) {
                reader.readRanges(wanted);
                wanted.clear();
            }
        }

        @Override
        public void close() throws IOException {
            if (reader != null) {
                reader.close();
                reader = null;
            }
        }
    }
}
