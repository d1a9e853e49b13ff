package io.sparkgguf.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.RowOrder;
import io.sparkgguf.quant.mix.Rule;
import io.sparkgguf.quant.mix.TypeChoice;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class UnitCutterTest {
    private static final long DATA = 1_000;

    /** Sizes of true models; only the plan of them exists. */
    @ParameterizedTest
    @CsvSource({
        "llama-3.1-405B ffn_down,       Q4_K, 64m,  16384, 53248, 1",
        "llama-3.1-405B ffn_down,       Q2_K, 6m,   16384, 53248, 1",
        "llama-3.1-405B token_embd,     Q6_K, 64m,  128256, 16384, 1",
        "deepseek-v3 ffn_gate_exps,     Q4_K, 64m,  2048, 7168, 256",
        "kimi-k2 ffn_down_exps,         IQ4_XS, 16m, 7168, 2048, 384",
        "a matrix of three rows,        Q8_0, 64k,  3, 32, 1",
        "one long vector of floats,     F32,  64m,  1, 3000000000, 1"
    })
    void unitsCoverEveryRowOnceWithinTheirMemory(
            String what, BlockType type, String memory, long rows, long columns, long matrices) {
        long limit = bytes(memory);
        PlannedTensor tensor = tensor(type, rows, columns, matrices, RowOrder.AS_STORED, null);
        List<WorkUnit> units = new UnitCutter(limit).cut(tensor, 7);

        long row = 0;
        long target = 500;
        long source = DATA;
        for (int i = 0; i < units.size(); i++) {
            WorkUnit unit = units.get(i);
            assertEquals(7 + i, unit.id(), what);
            assertEquals(row, unit.firstRow(), what);
            assertEquals(target, unit.offset(), what);
            assertEquals(type.bytes(unit.elements()), unit.bytes(), what);
            assertEquals(DType.BF16.bytes(unit.elements()), unit.sourceBytes(), what);
            assertEquals(source, unit.ranges().get(0).offset(), what);
            assertTrue(unit.memory() <= limit, what + ": " + unit.memory() + " bytes of memory");
            assertTrue(
                    unit.bytes() + unit.sourceBytes() <= limit,
                    what + ": moves " + (unit.bytes() + unit.sourceBytes()));
            row += unit.rows();
            target += unit.bytes();
            source += unit.sourceBytes();
        }
        assertEquals(
                rows * columns * matrices,
                units.stream().mapToLong(WorkUnit::elements).sum(),
                what);
        assertEquals(500 + type.bytes(rows * columns * matrices), target, what);
    }

    @Test
    void regroupedRowsAreCutAtWholeHeads() {
        PlannedTensor tensor = tensor(BlockType.Q4_K, 8192, 8192, 1, RowOrder.interleaveHalves(128), null);
        List<WorkUnit> units = new UnitCutter(16 << 20).cut(tensor, 0);
        assertTrue(units.size() > 1);
        for (WorkUnit unit : units) {
            assertEquals(0, unit.firstRow() % 128);
            assertEquals(0, unit.rows() % 128);
        }
    }

    @Test
    void aMatrixWithItsOwnImportanceHasItsOwnUnits() {
        ImatrixEntry entry = new ImatrixEntry("t", "imatrix.gguf", 8 * 256, 0, 8, 0, 0);
        PlannedTensor tensor =
                tensor(BlockType.Q4_K, 48, 256, 8, RowOrder.AS_STORED, new ImportanceSource(entry, 8, 0));
        List<WorkUnit> units = new UnitCutter(64 << 20).cut(tensor, 0);
        assertEquals(8, units.size());
        for (int matrix = 0; matrix < 8; matrix++) {
            assertEquals(48L * matrix, units.get(matrix).firstRow());
            assertEquals(matrix, units.get(matrix).importance().matrix());
        }
    }

    @Test
    void partsOfAStackAreReadEndToEnd() {
        List<TensorLocation> experts = new ArrayList<>();
        for (int expert = 0; expert < 4; expert++) {
            experts.add(new TensorLocation(
                    "expert " + expert, DType.BF16, Shape.of(10, 32), "shard-" + expert % 2, 100L * expert, 640));
        }
        ModelTensor stack =
                new ModelTensor("t", Shape.of(4, 10, 32), new ModelTensor.Stored(experts, RowOrder.AS_STORED));
        List<WorkUnit> units = new UnitCutter(1 << 16).cut(planned(stack, BlockType.Q8_0, null), 0);

        assertEquals(1, units.size());
        assertEquals(
                List.of(
                        new SourceRange("shard-0", 0, 640),
                        new SourceRange("shard-1", 100, 640),
                        new SourceRange("shard-0", 200, 640),
                        new SourceRange("shard-1", 300, 640)),
                units.get(0).ranges());
    }

    @Test
    void computedValuesTravelWithTheirUnit() {
        ModelTensor factors =
                new ModelTensor("rope_freqs.weight", Shape.of(4), new ModelTensor.Computed(new float[] {1, 2, 3, 4}));
        WorkUnit unit = new UnitCutter(1 << 16)
                .cut(planned(factors, BlockType.F32, null), 0)
                .get(0);
        assertEquals(4, unit.computed().length);
        assertEquals(List.of(), unit.ranges());
    }

    @Test
    void aTensorWithoutElementsHasNoUnits() {
        assertEquals(
                List.of(), new UnitCutter(1 << 16).cut(tensor(BlockType.F32, 0, 32, 1, RowOrder.AS_STORED, null), 0));
    }

    @Test
    void aRowThatDoesNotFitIsRefused() {
        PlannedTensor tensor = tensor(BlockType.Q4_K, 4, 1 << 20, 1, RowOrder.AS_STORED, null);
        InvalidInputException refusal =
                assertThrows(InvalidInputException.class, () -> new UnitCutter(1 << 20).cut(tensor, 0));
        assertTrue(
                refusal.getMessage().startsWith("Cannot plan tensor t: 1 row(s) of 1048576 columns take "),
                refusal.getMessage());
        assertTrue(refusal.getMessage().endsWith("--unit-memory is 1048576"), refusal.getMessage());
    }

    /** Rows are taken whole where they can be, so that the figures of their errors do not depend on the cut. */
    @Test
    void aVectorIsOneRowWhereItFits() {
        WorkUnit unit = new UnitCutter(1 << 16)
                .cut(tensor(BlockType.F32, 1, 1000, 1, RowOrder.AS_STORED, null), 0)
                .get(0);
        assertEquals(1, unit.rows());
        assertEquals(1000, unit.columns());
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 0, 1000, 1L << 40})
    void memoryOutsideTheLimitsIsRefused(long memory) {
        InvalidInputException refusal = assertThrows(InvalidInputException.class, () -> new UnitCutter(memory));
        assertEquals(
                "Cannot use --unit-memory " + memory + ": it must lie between 64k and 1g, for example 64m",
                refusal.getMessage());
    }

    private static PlannedTensor tensor(
            BlockType type, long rows, long columns, long matrices, RowOrder order, ImportanceSource importance) {
        Shape shape = matrices > 1 ? Shape.of(matrices, rows, columns) : Shape.of(rows, columns);
        TensorLocation stored =
                new TensorLocation("t", DType.BF16, shape, "file", DATA, DType.BF16.bytes(shape.elements()));
        return planned(new ModelTensor("t", shape, new ModelTensor.Stored(List.of(stored), order)), type, importance);
    }

    private static PlannedTensor planned(ModelTensor tensor, BlockType type, ImportanceSource importance) {
        TypeChoice choice =
                new TypeChoice("t", tensor.shape(), tensor.encoding(), type, type, Rule.DEFAULT, "for the test");
        return new PlannedTensor(0, tensor, choice, 0, 500, choice.bytes(), importance);
    }

    private static long bytes(String memory) {
        long number = Long.parseLong(memory.substring(0, memory.length() - 1));
        return memory.endsWith("m") ? number << 20 : number << 10;
    }
}
