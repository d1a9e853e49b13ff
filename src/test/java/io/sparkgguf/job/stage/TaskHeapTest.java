package io.sparkgguf.job.stage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.InvalidInputException;
import java.util.Random;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TaskHeapTest {
    private static final long MEBIBYTE = 1 << 20;

    @ParameterizedTest
    @CsvSource({
        "1024, 4, 1, 64, 1", // 12 fit
        "1024, 4, 1, 192, 1", // 4 fit
        "1024, 4, 1, 193, 2", // 3 fit: whole cores make that 2
        "1024, 4, 1, 300, 2",
        "1024, 4, 1, 400, 4",
        "1024, 4, 1, 9000, 4", // not even one
        "1024, 8, 2, 64, 2",
        "1024, 3, 1, 300, 2",
        "1024, 1, 1, 700, 1",
        "1024, 4, 1, 0, 1"
    })
    void tasksGetTheCoresThatKeepTheirMemory(long heap, int cores, int least, long task, int expected) {
        assertEquals(expected, TaskHeap.coresPerTask(heap * MEBIBYTE, cores, least, task * MEBIBYTE));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void whatRunsAtOnceFitsAndTheRecommendedHeapIsTheLeast(long seed) {
        Random random = new Random(seed);
        for (int i = 0; i < 1000; i++) {
            long heap = (1 + random.nextInt(1 << 16)) * MEBIBYTE;
            long task = 1 + (long) (random.nextDouble() * heap);
            int cores = 1 + random.nextInt(64);
            int each = TaskHeap.coresPerTask(heap, cores, 1, task);
            assertTrue(each >= 1 && each <= cores, "seed " + seed);
            assertTrue(cores / each == 1 || cores / each * task <= TaskHeap.usable(heap), "seed " + seed);
            long enough = TaskHeap.heapFor(task);
            assertTrue(TaskHeap.usable(enough) >= task, "seed " + seed);
            assertTrue(enough == 256 * MEBIBYTE || TaskHeap.usable(enough - 256 * MEBIBYTE) < task, "seed " + seed);
        }
    }

    @Test
    void aClusterOnWhichNotOneTaskFitsIsRefusedWithWhatWouldDo() {
        SparkConf conf = new SparkConf(false).set("spark.executor.memory", "2g");
        Cluster cluster = new Cluster(conf, false);
        cluster.requireRoom("factoring a Hessian", 1536 * MEBIBYTE, null);
        assertEquals(
                "Cannot run here: factoring a Hessian holds 1,537 MiB in a task, of a heap of 2,048 MiB tasks get 1,536;"
                        + " use --executor-memory 2304m or more, or a smaller --hessian-memory",
                assertThrows(
                                InvalidInputException.class,
                                () -> cluster.requireRoom(
                                        "factoring a Hessian", 1536 * MEBIBYTE + 1, "a smaller --hessian-memory"))
                        .getMessage());
        long own = Runtime.getRuntime().maxMemory();
        String message = assertThrows(
                        InvalidInputException.class, () -> new Cluster(conf, true).requireRoom("evaluating", own, null))
                .getMessage();
        assertTrue(message.contains("use --driver-memory "), message);
    }
}
