package io.sparkgguf.validate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.validate.Finding.Severity;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SplitCheckTest {
    private static final String FIRST = "dir/m-00001-of-00003.gguf";
    private static final String SECOND = "dir/m-00002-of-00003.gguf";

    private static List<Shard> three() {
        return new ArrayList<>(SmallModels.of("llama").shards(3));
    }

    private static MetadataValue u16(int value) {
        return MetadataValue.Int.of(MetadataType.U16, value);
    }

    @Test
    void soundShardsHaveNoFindings() {
        assertEquals(List.of(), ModelCheck.check(three()));
        assertEquals(List.of(), ModelCheck.check(SmallModels.of("qwen3").shards(1)));
    }

    static Stream<Arguments> damage() {
        return Stream.of(
                damaged(
                        shards -> shards.get(1).metadata().put("split.no", u16(2)),
                        SECOND,
                        ": split.no is 2, but it is shard 1 counted from 0"),
                damaged(shards -> shards.get(1).metadata().remove("split.no"), SECOND, ": has no split.no"),
                damaged(
                        shards -> shards.get(1).metadata().putU32("split.no", 1),
                        SECOND,
                        ": split.no is of type U32, but must be U16"),
                damaged(
                        shards -> shards.get(0).metadata().put("split.count", u16(4)),
                        FIRST,
                        ": split.count is 4, but there are 3 shards"),
                damaged(
                        shards -> shards.get(0).metadata().remove("split.count"),
                        FIRST,
                        ": split.count is 0, but there are 3 shards"),
                damaged(
                        shards -> shards.get(0).metadata().remove("split.tensors.count"),
                        FIRST,
                        ": has no split.tensors.count"),
                damaged(
                        shards -> shards.get(0).metadata().putU32("split.tensors.count", 21),
                        FIRST,
                        ": split.tensors.count is of type U32, but must be I32"),
                damaged(
                        shards -> shards.get(0)
                                .metadata()
                                .put("split.tensors.count", MetadataValue.Int.of(MetadataType.I32, 22)),
                        FIRST,
                        ": split.tensors.count is 22, but the shards have 21 tensors"),
                damaged(
                        shards -> shards.set(
                                1,
                                new Shard(
                                        "b.gguf",
                                        shards.get(1).metadata(),
                                        shards.get(1).tensors())),
                        "b.gguf",
                        ": its name must end in -00002-of-00003.gguf for the others to be found"));
    }

    private static Arguments damaged(Consumer<List<Shard>> change, String file, String message) {
        return Arguments.of(change, new Finding(Severity.ERROR, file, file + message));
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("damage")
    void oneDamageIsOneFinding(Consumer<List<Shard>> change, Finding expected) {
        List<Shard> shards = three();
        change.accept(shards);
        assertEquals(List.of(expected), ModelCheck.check(shards));
    }

    @Test
    void shardsInTheWrongOrderAreErrors() {
        List<Shard> shards = three();
        shards.add(shards.remove(1));
        assertEquals(
                List.of(
                        "dir/m-00003-of-00003.gguf: split.no is 2, but it is shard 1 counted from 0",
                        "dir/m-00003-of-00003.gguf: its name must end in -00002-of-00003.gguf for the others to be found",
                        SECOND + ": split.no is 1, but it is shard 2 counted from 0",
                        SECOND + ": its name must end in -00003-of-00003.gguf for the others to be found"),
                ModelCheck.check(shards).stream().map(Finding::message).toList());
    }

    @Test
    void oneShardOfManyIsNoModel() {
        assertEquals(
                FIRST + ": split.count is 3, but there are 1 shards",
                ModelCheck.check(three().subList(0, 1)).get(0).message());
    }

    @Test
    void aTensorInTwoShardsIsAnError() {
        List<Shard> shards = three();
        TensorEntry repeated = shards.get(0).tensors().get(0);
        List<TensorEntry> more = new ArrayList<>(shards.get(2).tensors());
        more.set(0, repeated);
        shards.set(2, new Shard(shards.get(2).file(), shards.get(2).metadata(), more));
        List<String> messages =
                ModelCheck.check(shards).stream().map(Finding::message).toList();
        assertEquals(repeated.name() + " is there twice", messages.get(0));
        assertEquals(2, messages.size(), "and the replaced one is missing");
    }

    @Test
    void metadataOfLaterShardsIsNotRead() {
        List<Shard> shards = three();
        shards.get(2).metadata().putString("general.name", "other");
        assertEquals(
                List.of(new Finding(
                        Severity.WARNING,
                        "dir/m-00003-of-00003.gguf",
                        "dir/m-00003-of-00003.gguf: has general.name, but only the first shard's metadata is read")),
                ModelCheck.check(shards));
    }
}
