package io.sparkgguf.job;

import io.sparkgguf.kernel.Finite;
import io.sparkgguf.plan.SourceRange;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.quant.TernaryCensus;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;

/** Refuses weights and blocks of a unit that are not finite, and says where they are. */
record UnitChecks(WorkUnit unit, boolean allowNonFinite) {

    /**
     * Refuses weights that are NaN or infinite, or takes them as zero.
     *
     * @param slabRow row of the unit that {@code weights} begin with
     * @return how many there were
     */
    long clean(float[] weights, int count, int slabRow) {
        long found = 0;
        int from = 0;
        for (int next = Finite.firstNonFinite(weights, 0, count); next >= 0; ) {
            int at = from + next; // the search counts from where it began
            if (!allowNonFinite) {
                throw new InvalidInputException("Cannot quantize tensor " + unit.name() + ": the weight at "
                        + stored(slabRow, at) + " is " + weights[at]
                        + "; --allow-nonfinite takes such weights as zero");
            }
            weights[at] = 0f;
            found++;
            from = at + 1;
            next = Finite.firstNonFinite(weights, from, count - from);
        }
        return found;
    }

    /** Refuses blocks of {@code count} weights with a scale or value that is not finite. */
    void blocks(byte[] blocks, int at, int slabRow, int count, String verb) {
        BlockFormat target = BlockFormats.of(unit.target());
        int elements = unit.target().blockElements();
        int bad = target.firstNonFinite(blocks, at, count / elements);
        if (bad >= 0) {
            throw new InvalidInputException("Cannot " + verb + " tensor " + unit.name() + " as "
                    + unit.target().label() + ": the block at " + place(slabRow, (long) bad * elements)
                    + " has a value or scale that is not finite"
                    + (verb.equals("encode") ? "; the weights exceed the range of the type" : ""));
        }
    }

    /** Whether rows of weights are ternary, as is the target. */
    boolean isTernary(float[] weights, int rows) {
        ErrorStats census = new ErrorStats();
        if (hasTernaryTarget()) {
            census.add(weights, 0, weights, 0, rows, unit.columns());
        }
        return census.ternary().isTernary();
    }

    private boolean hasTernaryTarget() {
        return isTernary(unit.target());
    }

    /** Whether a type has three values. */
    static boolean isTernary(BlockType type) {
        return type == BlockType.TQ1_0 || type == BlockType.TQ2_0;
    }

    /** Refuses ternary weights whose scales the target has no room for; {@code error} is of all of the unit. */
    void ternary(ErrorStats error) {
        TernaryCensus census = error.ternary();
        if (hasTernaryTarget() && census.isTernary() && census.mixedBlocks() > 0) {
            throw new InvalidInputException("Cannot quantize tensor " + unit.name() + " to "
                    + unit.target().label() + ": its weights are ternary of mixed scales, from "
                    + census.smallestScale() + " to " + census.largestScale() + ", which change within "
                    + census.mixedBlocks() + " of the blocks of rows " + unit.firstRow() + " to "
                    + (unit.firstRow() + unit.rows() - 1) + "; a block of "
                    + unit.target().blockElements() + " has room for one");
        }
    }

    private String place(int slabRow, long at) {
        long element = (unit.firstRow() + slabRow) * unit.columns() + at;
        return "row " + element / unit.columns() + ", column " + element % unit.columns();
    }

    /** Where a weight lies in the source, whose rows may be in another order than the output's. */
    private String stored(int slabRow, int at) {
        long row = unit.order().sourceRow(slabRow + at / unit.columns());
        int column = at % unit.columns();
        String place = "row " + (unit.firstRow() + row) + ", column " + column;
        int block = unit.source().blockElements();
        long skip = unit.source().bytes((row * unit.columns() + column) / block * block);
        for (SourceRange range : unit.ranges()) {
            if (skip < range.length()) {
                return place + " (byte " + (range.offset() + skip) + " of " + range.file() + ")";
            }
            skip -= range.length();
        }
        return place;
    }
}
