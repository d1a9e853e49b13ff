package io.sparkgguf.job;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.fixtures.HugeModel;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.SourceRange;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.mix.FileType;
import io.sparkgguf.quant.mix.ImportanceFilter;
import io.sparkgguf.quant.mix.TypeOptions;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Units of the largest open models, done for real: weights are planted in the files of holes where they are to be read. */
class HugeUnitsTest {
    private static final long SEED = 7;
    private static final long TASK_MEMORY = 8L << 30;

    @TempDir
    Path folder;

    private static QuantizeSettings settings(Path model) {
        return new QuantizeSettings(
                model.toString(),
                null,
                null,
                null,
                TypeOptions.builder(FileType.Q4_K_M).build(),
                null,
                new ImportanceFilter(List.of(), List.of()),
                List.of(),
                null,
                false,
                0,
                QuantizeSettings.DEFAULT_UNIT_MEMORY,
                false,
                null,
                null,
                Map.of());
    }

    @ParameterizedTest
    @EnumSource(HugeModel.class)
    void theFirstTheLargestAndTheLastUnitsAreDone(HugeModel model) throws IOException {
        LocalStorage storage = new LocalStorage();
        Prepared prepared = new Preparation(storage, settings(model.write(folder))).prepare();
        Plan plan = prepared.plan();
        long read = 0;
        for (WorkUnit unit : plan.units()) {
            assertTrue(unit.memory() < TASK_MEMORY, unit.name() + " holds " + unit.memory());
            assertTrue(unit.elements() * Float.BYTES < Integer.MAX_VALUE, unit.name() + " has " + unit.elements());
            read += unit.sourceBytes();
        }
        assertEquals(prepared.checkpoint().tensorBytes(), read);

        Path parts = Files.createDirectory(folder.resolve("parts"));
        UnitRunner runner = new UnitRunner(storage, UnitPlace.parts(storage, parts.toString(), "quantize"), false);
        for (WorkUnit unit : chosen(plan)) {
            byte[] expected = plant(unit, plan.tensors().get(unit.tensor()));
            UnitResult result = runner.run(unit);
            try (var files = Files.list(parts)) {
                Path part = files.findFirst().orElseThrow();
                assertArrayEquals(expected, Files.readAllBytes(part), unit.name() + " from row " + unit.firstRow());
                Files.delete(part);
            }
            assertEquals(Digest.of(expected, 0, expected.length), result.digest(), unit.name());
        }
    }

    private static Set<WorkUnit> chosen(Plan plan) {
        List<WorkUnit> units = plan.units().stream()
                .filter(unit -> unit.computed() == null)
                .filter(unit -> unit.order().isAsStored())
                .toList();
        Set<WorkUnit> chosen = new LinkedHashSet<>();
        chosen.add(units.get(0));
        chosen.add(units.get(units.size() - 1));
        for (Comparator<WorkUnit> by : List.of(
                Comparator.comparingLong(WorkUnit::memory),
                Comparator.comparingLong(WorkUnit::elements),
                Comparator.comparingLong(WorkUnit::offset),
                Comparator.comparingInt(WorkUnit::columns),
                Comparator.<WorkUnit>comparingLong(WorkUnit::firstRow),
                Comparator.<WorkUnit>comparingLong(unit -> lastByte(unit.ranges())))) {
            chosen.add(units.stream().max(by).orElseThrow());
        }
        return chosen;
    }

    private static long lastByte(List<SourceRange> ranges) {
        return ranges.get(ranges.size() - 1).offset();
    }

    /** Writes random weights where the unit's rows lie in the checkpoint, and returns what they are to become. */
    private static byte[] plant(WorkUnit unit, PlannedTensor tensor) throws IOException {
        TensorLocation stored =
                ((ModelTensor.Stored) tensor.source().source()).parts().get(0);
        float[] weights = new float[Math.toIntExact(unit.elements())];
        Random random = new Random(SEED + unit.id());
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) (0.02 * random.nextGaussian());
        }
        byte[] source = new byte[Math.toIntExact(unit.source().bytes(weights.length))];
        BlockFormats.of(unit.source()).encode(weights, 0, 1, weights.length, null, 0, source, 0);
        try (RandomAccessFile file = new RandomAccessFile(stored.file(), "rw")) {
            file.seek(stored.offset()
                    + unit.firstRow() * unit.columns() * unit.source().blockBytes());
            file.write(source);
        }
        BlockFormats.of(unit.source()).decode(source, 0, weights.length, weights, 0);
        byte[] expected = new byte[Math.toIntExact(unit.bytes())];
        if (unit.target().isScalar()) {
            BlockFormats.of(unit.target()).encode(weights, 0, 1, weights.length, null, 0, expected, 0);
        } else {
            BlockFormats.of(unit.target()).encode(weights, 0, unit.rows(), unit.columns(), null, 0, expected, 0);
        }
        return expected;
    }
}
