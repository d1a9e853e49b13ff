package io.sparkgguf.validate;

import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;

/** Whether shards belong together: each knows its number, and the first how many there are, and of how many tensors. */
final class SplitCheck {
    private static final String NUMBER = "split.no";
    private static final String COUNT = "split.count";
    private static final String TENSORS = "split.tensors.count";

    private SplitCheck() {}

    static void check(List<Shard> shards, Findings findings) {
        Shard first = shards.get(0);
        long count = integer(first, COUNT, MetadataType.U16, findings).orElse(0);
        if (count <= 1 && shards.size() == 1) {
            return;
        }
        if (count != shards.size()) {
            findings.error(
                    first.file(),
                    first.file() + ": " + COUNT + " is " + count + ", but there are " + shards.size() + " shards");
            return;
        }
        for (int i = 0; i < shards.size(); i++) {
            checkPlace(shards.get(i), i, shards.size(), findings);
        }
        checkTensors(shards, findings);
    }

    private static void checkPlace(Shard shard, int index, int count, Findings findings) {
        OptionalLong number = integer(shard, NUMBER, MetadataType.U16, findings);
        if (!shard.metadata().contains(NUMBER)) {
            findings.error(shard.file(), shard.file() + ": has no " + NUMBER);
        } else if (number.isPresent() && number.getAsLong() != index) {
            findings.error(
                    shard.file(),
                    shard.file() + ": " + NUMBER + " is " + number.getAsLong() + ", but it is shard " + index
                            + " counted from 0");
        }
        String ending = String.format(Locale.ROOT, "-%05d-of-%05d.gguf", index + 1, count);
        if (!shard.file().endsWith(ending)) {
            findings.error(
                    shard.file(), shard.file() + ": its name must end in " + ending + " for the others to be found");
        }
        if (index > 0) {
            shard.metadata().asMap().keySet().stream()
                    .filter(key -> !key.startsWith("split.") && !key.equals("general.alignment"))
                    .findFirst()
                    .ifPresent(key -> findings.warning(
                            shard.file(),
                            shard.file() + ": has " + key + ", but only the first shard's metadata is read"));
        }
    }

    private static void checkTensors(List<Shard> shards, Findings findings) {
        Shard first = shards.get(0);
        long found = shards.stream().mapToLong(shard -> shard.tensors().size()).sum();
        OptionalLong stated = integer(first, TENSORS, MetadataType.I32, findings);
        if (!first.metadata().contains(TENSORS)) {
            findings.error(first.file(), first.file() + ": has no " + TENSORS);
        } else if (stated.isPresent() && stated.getAsLong() != found) {
            findings.error(
                    first.file(),
                    first.file() + ": " + TENSORS + " is " + stated.getAsLong() + ", but the shards have " + found
                            + " tensors");
        }
    }

    private static OptionalLong integer(Shard shard, String key, MetadataType type, Findings findings) {
        Metadata metadata = shard.metadata();
        if (!metadata.contains(key)) {
            return OptionalLong.empty();
        }
        MetadataValue value = metadata.get(key).orElseThrow();
        if (value.type() != type) {
            findings.error(
                    shard.file(), shard.file() + ": " + key + " is of type " + value.type() + ", but must be " + type);
            return OptionalLong.empty();
        }
        return OptionalLong.of(((MetadataValue.Int) value).value());
    }
}
