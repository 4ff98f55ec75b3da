use super::*;
use crate::ml::features::Feature;
use crate::ml::network::{Activation, ComputeDevice, DeviceChoice};

fn features(rows: usize) -> FeatureMatrix {
    let feature = |name: &str, categories| Feature { name: name.to_owned(), categories };
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let numeric = (0..rows * 2).map(|_| random.random_range(-1.0_f32..1.0)).collect();
    let codes = (0..rows).map(|_| random.random_range(0..3_u32)).collect();
    FeatureMatrix::from_parts(vec![feature("a", None), feature("c", Some(3)), feature("b", None)], numeric, codes)
}

fn architecture(batch_norm: bool, activation: Activation) -> Architecture {
    Architecture {
        numeric: 2,
        embeddings: vec![(3, 2)],
        hidden: vec![6, 4],
        activation,
        batch_norm,
        dropout: 0.0,
        outputs: 2,
    }
}

fn no_dropout(_: usize, _: usize) -> Result<Option<Tensor>> {
    Ok(None)
}

#[test]
fn every_weight_of_every_architecture_has_a_gradient() {
    for activation in [Activation::Relu, Activation::Gelu, Activation::Silu, Activation::Tanh] {
        for batch_norm in [false, true] {
            let network = Network::new(&architecture(batch_norm, activation), (0.0, 1.0), 1, &Device::Cpu).unwrap();
            let batch = Batch::gather(&features(32), 0..32, &Device::Cpu).unwrap();
            let outputs = network.forward(&batch, Some(&mut no_dropout)).unwrap();
            let gradients = outputs.sin().unwrap().sum_all().unwrap().backward().unwrap();
            for (index, parameter) in network.parameters().iter().enumerate() {
                let gradient = gradients.get(parameter.var).expect("a gradient");
                let size = gradient.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(size > 0.0, "parameter {index} with {activation:?}, batch norm {batch_norm}");
            }
        }
    }
}

#[test]
fn a_gradient_through_the_normalisation_is_the_slope() {
    let network = Network::new(&architecture(true, Activation::Tanh), (0.0, 1.0), 1, &Device::Cpu).unwrap();
    let batch = Batch::gather(&features(16), 0..16, &Device::Cpu).unwrap();
    let loss = || {
        let outputs = network.forward(&batch, Some(&mut no_dropout)).unwrap();
        outputs.sqr().unwrap().sum_all().unwrap()
    };
    let gradients = loss().backward().unwrap();
    let weight = &network.hidden[0].linear.weight;
    let slope = gradients.get(weight).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()[1];
    let values = weight.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let shifted = |by: f32| {
        let mut moved = values.clone();
        moved[1] += by;
        weight.set(&Tensor::from_vec(moved, weight.shape(), &Device::Cpu).unwrap()).unwrap();
        loss().to_scalar::<f32>().unwrap()
    };
    let measured = (shifted(0.01) - shifted(-0.01)) / 0.02;
    assert!((measured - slope).abs() < 0.02 * slope.abs().max(0.5), "{measured} {slope}");
}

#[test]
fn running_statistics_come_to_those_of_the_data() {
    let network = Network::new(&architecture(true, Activation::Relu), (0.0, 1.0), 1, &Device::Cpu).unwrap();
    let batch = Batch::gather(&features(64), 0..64, &Device::Cpu).unwrap();
    let trained = (0..200).map(|_| network.forward(&batch, Some(&mut no_dropout)).unwrap()).last().unwrap();
    let evaluated = network.forward(&batch, None).unwrap();
    let trained = trained.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (left, right) in trained.iter().zip(evaluated.flatten_all().unwrap().to_vec1::<f32>().unwrap()) {
        // The running variance is the unbiased one, so the two differ a little.
        assert!((left - right).abs() < 0.05, "{left} {right}");
    }
}

#[test]
fn weights_read_back_as_written() {
    let device = ComputeDevice::find(DeviceChoice::Cpu).unwrap();
    for batch_norm in [false, true] {
        let shape = architecture(batch_norm, Activation::Relu);
        let network = Network::new(&shape, (5.0, 2.0), 1, &Device::Cpu).unwrap();
        let mut tensors = Tensors::default();
        network.write(&mut tensors, "best.").unwrap();
        let loaded = Network::from_tensors(&shape, &tensors, "best.", &device).unwrap();
        assert_eq!(loaded.outputs(&features(9)).unwrap(), network.outputs(&features(9)).unwrap());
        let other = Architecture { hidden: vec![5, 4], ..shape };
        assert!(Network::from_tensors(&other, &tensors, "best.", &device).is_err());
    }
}
