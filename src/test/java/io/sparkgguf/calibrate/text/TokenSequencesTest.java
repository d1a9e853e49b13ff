package io.sparkgguf.calibrate.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.storage.MemoryStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenSequencesTest {
    private static final String FILE = "work/tokens";

    /** Sequences of the lengths given; the ids count up from 0; every seventh position is masked. */
    private static TokenSequences counting(int... lengths) {
        int[] ends = lengths.clone();
        Arrays.parallelPrefix(ends, Integer::sum);
        int total = ends.length == 0 ? 0 : ends[ends.length - 1];
        BitSet masked = new BitSet();
        for (int i = 6; i < total; i += 7) {
            masked.set(i);
        }
        return new TokenSequences(IntStream.range(0, total).toArray(), ends, masked, 3, total + 5L, List.of());
    }

    private static TokenSequences random(int sequences, int length, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int[] tokens = random.ints((long) sequences * length, 0, 50).toArray();
        int[] ends = IntStream.rangeClosed(1, sequences).map(i -> i * length).toArray();
        return new TokenSequences(tokens, ends, new BitSet(), 1, tokens.length, List.of());
    }

    @Test
    void aFileGivesBackWhatWasSaved() throws IOException {
        MemoryStorage storage = new MemoryStorage();
        TokenSequences saved = counting(5, 1, 17, 8);
        saved.save(storage, FILE);
        TokenSequences loaded = TokenSequences.load(storage, FILE);
        assertEquals(saved.digest(), loaded.digest());
        assertArrayEquals(saved.ends(), loaded.ends());
        assertEquals(saved.masked(), loaded.masked());
        assertEquals(3, loaded.documents());
        assertEquals(36, loaded.documentTokens());
    }

    @Test
    void aTaskLoadsItsShare() throws IOException {
        MemoryStorage storage = new MemoryStorage();
        TokenSequences saved = counting(5, 1, 17, 8);
        saved.save(storage, FILE);
        for (int from = 0; from <= 4; from++) {
            for (int to = from; to <= 4; to++) {
                assertEquals(
                        saved.slice(from, to).digest(),
                        TokenSequences.load(storage, FILE, from, to).digest(),
                        from + " to " + to);
            }
        }
        TokenSequences third = TokenSequences.load(storage, FILE, 2, 3);
        assertEquals(6, third.tokens()[0]);
        assertTrue(third.masked().get(0));
        assertEquals(
                "Cannot read token sequences work/tokens: sequences 2 to 5 were asked for, it holds 4",
                assertThrows(InvalidInputException.class, () -> TokenSequences.load(storage, FILE, 2, 5))
                        .getMessage());
    }

    @Test
    void everyChangedByteIsNoticed() throws IOException {
        MemoryStorage storage = new MemoryStorage();
        counting(3, 9).save(storage, FILE);
        byte[] bytes;
        try (var reader = storage.open(FILE)) {
            bytes = new byte[(int) reader.length()];
            reader.readFully(0, bytes, 0, bytes.length);
        }
        for (int i = 0; i < bytes.length; i++) {
            byte[] damaged = bytes.clone();
            damaged[i] ^= 4;
            storage.put(FILE, damaged);
            String message = assertThrows(
                            InvalidInputException.class, () -> TokenSequences.load(storage, FILE), "byte " + i)
                    .getMessage();
            assertTrue(message.startsWith("Cannot read token sequences work/tokens at byte "), message);
        }
        for (int length = 0; length < bytes.length; length++) {
            storage.put(FILE, Arrays.copyOf(bytes, length));
            assertThrows(InvalidInputException.class, () -> TokenSequences.load(storage, FILE), "length " + length);
        }
    }

    @ParameterizedTest
    @CsvSource({"10, 0.1, 1", "10, 0.25, 3", "10, 0, 0", "3, 0.01, 1", "1, 0.5, 0", "2, 0.99, 1", "200, 0.1, 20"})
    void aShareOfTheSequencesIsHeldOut(int count, double share, int expected) {
        int[] lengths = new int[count];
        Arrays.fill(lengths, 4);
        TokenSequences all = counting(lengths);
        TokenSequences.Split split = all.holdOut(share, 11);
        assertEquals(expected, split.heldOut().count());
        assertEquals(count - expected, split.train().count());
        TreeSet<Integer> starts = new TreeSet<>();
        for (TokenSequences part : List.of(split.train(), split.heldOut())) {
            int last = -1;
            for (int i = 0; i < part.count(); i++) {
                int first = part.tokens()[part.start(i)];
                assertTrue(first > last, "order is kept");
                last = first;
                starts.add(first);
                assertEquals(all.masked().get(first + 2), part.masked().get(part.start(i) + 2));
            }
        }
        assertEquals(count, starts.size(), "each sequence is in one part");
    }

    @Test
    void theHeldOutPartFollowsFromTheSeed() {
        TokenSequences all = random(100, 4, 1);
        assertEquals(
                all.holdOut(0.2, 5).heldOut().digest(),
                all.holdOut(0.2, 5).heldOut().digest());
        assertNotEquals(
                all.holdOut(0.2, 5).heldOut().digest(),
                all.holdOut(0.2, 6).heldOut().digest());
        assertEquals(
                "Cannot hold out a share of 1.0: it is from 0 up to, not with, 1",
                assertThrows(InvalidInputException.class, () -> all.holdOut(1, 5))
                        .getMessage());
    }

    @Test
    void runsThatBothSetsHaveAreFound() {
        TokenSequences a = random(4, 300, 21);
        TokenSequences b = random(4, 300, 22);
        assertEquals(new Overlap(4 * (300 - 63), 0), a.overlap(b));
        // 80 tokens of the one at another place of the other: 80 - 63 runs
        System.arraycopy(b.tokens(), 310, a.tokens(), 605, 80);
        assertEquals(new Overlap(4 * 237, 17), a.overlap(b));
        assertEquals(new Overlap(4 * 237, 17), b.overlap(a));
        // 63 are no run, nor are 64 across the end of a sequence
        TokenSequences c = random(4, 300, 23);
        System.arraycopy(b.tokens(), 0, c.tokens(), 7, 63);
        System.arraycopy(b.tokens(), 400, c.tokens(), 270, 64);
        assertEquals(0, c.overlap(b).shared());
        assertEquals(new Overlap(0, 0), counting(63, 10).overlap(counting(63, 10)));
    }

    @Test
    void aSampleOfRunsFindsACopy() {
        TokenSequences a = random(50, 400, 31);
        Overlap sampled = Overlap.of(a, a, 1000);
        assertEquals(sampled.windows(), sampled.shared());
        // 16,850 runs, one in 32 of them
        assertTrue(sampled.windows() > 300 && sampled.windows() < 800, sampled.toString());
        assertEquals(0, Overlap.of(a, random(50, 400, 32), 1000).shared());
    }

    @Test
    void contradictionsAreRefused() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new TokenSequences(new int[4], new int[] {2, 2, 4}, new BitSet(), 1, 4, List.of()));
        assertThrows(
                IllegalArgumentException.class,
                () -> new TokenSequences(new int[4], new int[] {3}, new BitSet(), 1, 4, List.of()));
    }
}
